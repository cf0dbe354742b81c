"""What a test says of a prompt: it is still the one that somebody has looked at."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from declarai_like._prompting.texts import compile_messages, format_messages, unified_diff

_UPDATE = "DECLARAI_UPDATE_PROMPTS"


def assert_prompt(task: Any, snapshot: str | Path, /, **arguments: Any) -> None:
    """Fail with a diff unless the task's messages for these arguments are those of the snapshot.

    A `str` is the snapshot itself, and may be indented as the test is; a `Path` is the file that holds it. Each
    message stands under its role, as `declarai-like show` prints it; an argument that is not given stays as `{name}`.
    With `DECLARAI_UPDATE_PROMPTS=1` in the environment a file is written instead of compared. `task` is a task, a
    chat or a class prompt, or the class of one, which is given the arguments. No model is asked.
    """
    __tracebackhide__ = True
    text = format_messages(compile_messages(task, arguments))
    if isinstance(snapshot, Path):
        _compare_with_file(text, snapshot, _name(task))
    else:
        inline = inspect.cleandoc(snapshot).strip("\n") + "\n"
        _compare(text, inline, _name(task), "the snapshot in the test", advice="change the text there")


def _compare_with_file(text: str, path: Path, name: str) -> None:
    __tracebackhide__ = True
    if os.environ.get(_UPDATE, "0") not in ("", "0"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return
    if not path.exists():
        raise AssertionError(
            f"there is no snapshot {str(path)!r} of {name} yet: set {_UPDATE}=1 to write it:\n\n{text}"
        )
    _compare(text, path.read_text("utf-8"), name, str(path), advice=f"set {_UPDATE}=1 to write it anew")


def _compare(text: str, snapshot: str, name: str, where: str, *, advice: str) -> None:
    __tracebackhide__ = True
    if text != snapshot:
        diff = unified_diff(snapshot.splitlines(), text.splitlines(), names=(where, f"{name} now"))
        raise AssertionError(f"the prompt of {name} is not its snapshot; if that is meant, {advice}:\n{diff}")


def _name(task: Any) -> str:
    return str(getattr(task, "__qualname__", type(task).__qualname__))
