"""A deliberate mistake: our source text, and what a careless author would have written instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODEL = ("tests/model/test_model.py",)


@dataclass(frozen=True)
class Mutation:
    """One mistake in one file.

    Args:
        name: What is wrong, in a few words.
        path: The file, from the top of the tree.
        edits: Old and new text; each old text has to stand there exactly once.
        tests: What catches it: the model, or other tests where the model by its nature can't see it.
    """

    name: str
    path: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...] = MODEL

    def applied_to(self, tree: Path) -> str:
        """Return the file's text with the mistake made; ValueError where it doesn't apply (any more)."""
        text = (tree / self.path).read_text()
        for old, new in self.edits:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {self.path} has this {text.count(old)} times, not once:\n{old}")
            text = text.replace(old, new)
        compile(text, self.path, "exec")
        return text
