"""`declarai-like run`: call one task, and print what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declarai_like._cli._arguments import HINT, read_arguments
from declarai_like._cli._following import as_json, print_stream, print_value, result_data, wait_for
from declarai_like._cli._models import read_model
from declarai_like._cli._targets import find
from declarai_like.errors import ConfigurationError
from declarai_like.tasks import BaseTask

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find_task", "run_task"]


def run_task(target: str, arguments: Iterable[str], *, model: str | None = None, as_data: bool = False) -> None:
    """Call the task at `target` with `name=value` arguments, on another model if one is named.

    A text is printed as it comes, another value as JSON when it is whole; `as_data` prints all that the call
    brought as one JSON object. Raises `ConfigurationError` if there is no such task, `TypeError` if the arguments are
    not the task's, and the errors of the call.
    """
    task = find_task(target)
    if model is not None:
        task = task.with_declaration(task.declared.with_model(read_model(model)))
    given = read_arguments(arguments, task)
    _check_arguments(task, given)
    if as_data:
        print(as_json(result_data(_run(task, given))))
    elif task.declared.output.is_text:
        print_stream(_stream(task, given))
    else:
        print_value(_run(task, given).value)


def find_task(target: str) -> Any:
    """Import the task at `module:name`; raises `ConfigurationError` if there is none."""
    task = find(target)
    if not isinstance(task, BaseTask):
        raise ConfigurationError(f"{target!r} is no task: `declarai-like chat` talks to a chat, `show` prints a prompt")
    return task


def _check_arguments(task: Any, given: dict[str, Any]) -> None:
    try:
        task.plan(**given)
    except TypeError as exc:
        raise TypeError(f"{exc} ({HINT})") from None


def _run(task: Any, given: dict[str, Any]) -> Any:
    """Call a task of any kind, and give its result."""
    return wait_for(task.arun(**given)) if task.declared.signature.is_async else task.run(**given)


def _stream(task: Any, given: dict[str, Any]) -> Any:
    return task.astream(**given) if task.declared.signature.is_async else task.stream(**given)
