"""The shop's own logo and colour, as files that browsers may keep for a year."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from orderapp.domain.colours import BLACK, READABLE, WHITE, Colour
from orderapp.errors import ConfigurationError
from orderapp.static_files import TYPES, StaticFile, static_file
from orderapp.systems.settings import Environment

# The grounds of `shop.css` that text stands on; a test compares them.
LIGHT_PAPER, LIGHT_SURFACE = Colour.read("#faf9f5"), WHITE
DARK_PAPER, DARK_SURFACE = Colour.read("#121516"), Colour.read("#1a1e20")
WASH = 0.12  # how much of the colour is in the ground of what is chosen: enough to see, and text stays readable on it
HOVERED = 0.15  # how much darker or lighter it is under the pointer
LOGO_BYTES = 50_000  # with it, the first page stays under 110 kB
LOGO_ENDINGS = (".svg", ".png", ".webp", ".jpg")
_STEPS = 50  # of looking for a readable shade


@dataclass(frozen=True, slots=True)
class Named:
    """A file with its name, which changes with its content."""

    name: str  # such as `logo.3f2a9c1b7d04.svg`
    suffix: str
    file: StaticFile


@dataclass(frozen=True, slots=True)
class Appearance:
    """What makes the pages look like this shop's; None where it looks as shipped."""

    logo: Named | None = None
    colours: Named | None = None

    @classmethod
    def from_environment(cls, env: Environment) -> Self:
        """Read `SHOP_LOGO`, `SHOP_COLOUR` and `SHOP_COLOUR_DARK`.

        Raises:
            ConfigurationError: a file that can't be read or is no picture, or a colour in which text can't be read.
        """
        return cls(_logo(env), _colours(env))

    @property
    def files(self) -> tuple[Named, ...]:
        """All files that there are."""
        return tuple(one for one in (self.logo, self.colours) if one)


def _named(stem: str, suffix: str, content: bytes) -> Named:
    file = static_file(content, suffix)
    return Named(f"{stem}.{file.hash}{suffix}", suffix, file)


def _logo(env: Environment) -> Named | None:
    path = env.text("SHOP_LOGO")
    if not path:
        return None
    suffix = Path(path).suffix.lower()
    if suffix not in LOGO_ENDINGS or suffix not in TYPES:
        raise ConfigurationError(f"SHOP_LOGO: {path!r} ends in none of {', '.join(LOGO_ENDINGS)}")
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"SHOP_LOGO: {path!r} can't be read") from error
    if not 0 < len(content) <= LOGO_BYTES:
        raise ConfigurationError(f"SHOP_LOGO: {path!r} has {len(content)} bytes; 1 to {LOGO_BYTES} are possible")
    return _named("logo", suffix, content)


def _colours(env: Environment) -> Named | None:
    light, dark = _colour(env, "SHOP_COLOUR"), _colour(env, "SHOP_COLOUR_DARK")
    if light is None:
        if dark is not None:
            raise ConfigurationError("SHOP_COLOUR_DARK: set, and SHOP_COLOUR isn't")
        return None
    _refuse_unreadable("SHOP_COLOUR", light, BLACK, (LIGHT_PAPER, LIGHT_SURFACE))
    if dark is None:
        dark = _readable(light, WHITE, (DARK_PAPER, DARK_SURFACE))
    _refuse_unreadable("SHOP_COLOUR_DARK", dark, WHITE, (DARK_PAPER, DARK_SURFACE))
    by_day = f":root {{ {_properties(light, BLACK, WHITE, LIGHT_SURFACE)} }}"
    by_night = f":root {{ {_properties(dark, WHITE, BLACK, DARK_SURFACE)} }}"
    sheet = f"{by_day}\n@media screen and (prefers-color-scheme: dark) {{ {by_night} }}\n"
    return _named("colours", ".css", sheet.encode())


def _colour(env: Environment, variable: str) -> Colour | None:
    text = env.text(variable)
    try:
        return Colour.read(text) if text else None
    except ValueError as error:
        raise ConfigurationError(f"{variable}: {text!r} is not a colour such as #0b6350") from error


def _properties(accent: Colour, towards: Colour, text: Colour, surface: Colour) -> str:
    hover, wash = accent.mixed(towards, HOVERED), surface.mixed(accent, WASH)
    return f"--accent: {accent}; --accent-hover: {hover}; --on-accent: {text}; --accent-wash: {wash};"


def _least_contrast(colour: Colour, grounds: tuple[Colour, ...]) -> float:
    """Return the contrast where text in the colour is hardest to read; a wash of the colour is a ground too."""
    return min(colour.contrast(ground) for ground in (*grounds, grounds[-1].mixed(colour, WASH)))


def _readable(colour: Colour, towards: Colour, grounds: tuple[Colour, ...]) -> Colour:
    """Return the nearest shade, darker or lighter, in which text can be read."""
    shades = (colour.mixed(towards, step / _STEPS) for step in range(_STEPS + 1))
    return next(shade for shade in shades if _least_contrast(shade, grounds) >= READABLE)


def _refuse_unreadable(variable: str, colour: Colour, towards: Colour, grounds: tuple[Colour, ...]) -> None:
    contrast = _least_contrast(colour, grounds)
    if contrast < READABLE:
        raise ConfigurationError(
            f"{variable}: text in {colour} can't be read on the pages (contrast {contrast:.1f}, needed {READABLE:g}); "
            f"{_readable(colour, towards, grounds)} can be"
        )
