"""`declarai-like lock` and `check`: write down what prompts are, and tell when they are no longer that."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like._cli._console import diff_style, make_printer
from declarai_like._cli._prompt_lock import changes, dump, is_declared, load, lock, merge_locks, tool_sources
from declarai_like._cli._targets import declared_in, import_place, module_name
from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like._cli._prompt_lock import Change

__all__ = ["check_prompts", "lock_prompts"]


def lock_prompts(modules: Sequence[str], lock_file: str) -> None:
    """Write the lock of all that is declared in these modules; a lock that is there is replaced."""
    for tool_lock in _lock_tools(modules):
        print(f"{tool_lock}: locked the tools")
    current = _current(modules)
    _write(lock_file, current)
    print(f"{lock_file}: locked {_count(len(current['prompts']))}")


def check_prompts(modules: Sequence[str], lock_file: str, *, update: bool) -> int:
    """Print how the prompts differ from the lock; returns 1 if they do, unless the lock is updated.

    Without modules those are checked that the lock names.
    """
    locked = _read(lock_file)
    current = _current(modules or locked.get("modules") or ())
    differences = changes(locked, current)
    if not differences:
        print(f"{lock_file}: {_count(len(current['prompts']))} as locked")
        return 0
    _print(differences)
    if update:
        _write(lock_file, merge_locks(locked, current))
        print(f"{lock_file}: updated ({_tally(differences)})")
        return 0
    advice = "if that is meant, run it again with --update"
    print(f"declarai-like: prompts are not as in {lock_file} ({_tally(differences)}); {advice}", file=sys.stderr)
    return 1


def _lock_tools(modules: Sequence[str]) -> list[str]:
    """Have the servers of tools write their locks, those that have one, and give the names of the files."""
    targets = [target for target in declared_in(modules).values() if is_declared(target)]
    written = {source.write_lock() for source in tool_sources(targets)}
    return sorted(written - {None})


def _current(places: Sequence[str]) -> dict[str, Any]:
    if not places:
        raise ConfigurationError("the lock names no modules: name them, as in `declarai-like check app`")
    targets = declared_in(places)
    if not targets:
        raise ConfigurationError(f"there is no task, chat or prompt with a model in {', '.join(map(repr, places))}")
    return lock(targets, {module_name(import_place(place)) for place in places})


def _read(lock_file: str) -> dict[str, Any]:
    try:
        return load(Path(lock_file).read_text("utf-8"), lock_file)
    except FileNotFoundError as exc:
        raise ConfigurationError(f"there is no {lock_file!r}: write it with `declarai-like lock MODULE`").with_cause(
            exc
        ) from None
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"cannot read {lock_file!r}: {exc}").with_cause(exc) from None


def _write(lock_file: str, locked: Mapping[str, Any]) -> None:
    try:
        Path(lock_file).write_text(dump(locked), encoding="utf-8", newline="\n")
    except OSError as exc:
        raise ConfigurationError(f"cannot write {lock_file!r}: {exc}").with_cause(exc) from None


def _print(differences: Sequence[Change]) -> None:
    print_styled = make_printer()
    for change in differences:
        for line in change.diff.splitlines():
            print_styled(line, diff_style(line))
        print_styled("", "")


def _count(number: int) -> str:
    return f"{number} prompt" if number == 1 else f"{number} prompts"


def _tally(differences: Sequence[Change]) -> str:
    kinds = Counter(change.kind for change in differences)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in ("changed", "new", "gone") if kinds[kind])
