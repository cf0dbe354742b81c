"""`declarai-like completions`: what a shell completes this command with."""

from __future__ import annotations

from declarai_like._cli._parser import argument_parser
from declarai_like.errors import MissingExtra

__all__ = ["print_completions"]


def print_completions(shell: str) -> None:
    """Print the script that a shell is to read; raises `MissingExtra` without shtab."""
    try:
        import shtab
    except ModuleNotFoundError as exc:
        raise MissingExtra(f'completions need shtab: pip install "declarai-like[cli]" ({exc})').with_cause(
            exc
        ) from None
    print(shtab.complete(argument_parser(), shell=shell))
