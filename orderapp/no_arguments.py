"""Programs that take no arguments, only environment variables."""

from __future__ import annotations

import argparse


def refuse_arguments(module: str, about: str | None) -> None:
    """Print the program's purpose on request (--help); end it with its usage on any other argument.

    Args:
        module: The module that is run: `bench.growth`.
        about: Its docstring, with the environment variables that it reads.
    """
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(f"python -m {module}", description=about, formatter_class=form).parse_args()
