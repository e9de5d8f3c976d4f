"""The benchmarks take no arguments: what they are told, they are told by variables."""

from __future__ import annotations

import argparse


def refuse_arguments(module: str, about: str | None) -> None:
    """Say what the program is for where somebody asks; end it with its usage where it is given anything else."""
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(f"python -m {module}", description=about, formatter_class=form).parse_args()
