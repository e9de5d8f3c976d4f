"""What people type: what nobody can see in it, and what a program would make a link of."""

from __future__ import annotations

import pytest

from orderapp.domain.typed_text import can_be_seen, has_link, hidden_in, trimmed, without_links

FAMILY = "\N{MAN}\u200d\N{WOMAN}"


@pytest.mark.parametrize(
    "name",
    ["Ada Lovelace", "Jos\xe9 \xc1lvarez", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627", "O'Neill, Zo\xeb",
     "\u0915\u094d\u200d\u0937", "\u738b\u5c0f\u660e", "\u2764\ufe0f Ada"],
)  # fmt: skip
def test_names_of_people_are_left_as_they_are(name: str) -> None:
    assert trimmed(name) == name
    assert hidden_in(name) is None
    assert can_be_seen(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\u200bb", "after “a”: zero width space (U+200B)"),
        ("a\ufeffb", "zero width no-break space (U+FEFF)"),
        ("a\xa0b", "no-break space (U+00A0)"),
        ("a\u202eb", "right-to-left override (U+202E)"),
        ("a\u200db", "zero width joiner (U+200D)"),
        (FAMILY, "zero width joiner (U+200D)"),
        ("a\nb", "line break (U+000A)"),
        ("a\x00b", "control character (U+0000)"),
        ("a\u3164b", "hangul filler (U+3164)"),
        ("\ud800", "can't be seen here: half a character (U+D800)"),
        ("x" * 50 + "\x1b", "after “xxxxxxxxxxxxxxxxxxxx”"),
    ],
)
def test_what_nobody_can_see_is_named(text: str, told: str) -> None:
    assert told in str(hidden_in(text))


@pytest.mark.parametrize(
    "name",
    ["see https://evil.example", "HTTP://EVIL.EXAMPLE", "//evil.example", "www.evil.example", "Ada WWW.evil",
     "evil.example/x",
     "evil.example?x", "evil.example:8080/x", "evil.example#x", "mailto:a@b.c", "javascript:alert(1)", "tel:+49",
     "\uff45vil.example\uff0fx", "ftp://x"],
)  # fmt: skip
def test_what_a_program_would_follow_is_a_link(name: str) -> None:
    assert has_link(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Dr. Ada Lovelace, Ph.D.", "Dr. Ada Lovelace, Ph. D."),
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("Smith & Sons Ltd.", "Smith & Sons Ltd."),
        ("M\xfcller/Meier", "M\xfcller/Meier"),
        ("evil.example", "evil. example"),
        ("win\u3002evil\uff0eexample", "win\u3002 evil\uff0e example"),
        ("c/o Lovelace", "c/o Lovelace"),
    ],
)
def test_other_names_are_taken_and_make_no_link_in_a_message(name: str, shown: str) -> None:
    assert not has_link(name)
    assert without_links(name) == shown
