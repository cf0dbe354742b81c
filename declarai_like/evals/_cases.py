"""What is asked: questions whose answers are known."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like._tasks.declarations import make_prompt
from declarai_like.errors import ConfigurationError, DeclaraiError
from declarai_like.media._blanks import blank_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from declarai_like._calls.options import Options
    from declarai_like._outputs.output import Output
    from declarai_like._prompting.rendering import Prompt
    from declarai_like._prompting.signatures import Signature
    from declarai_like.tasks import BaseTask

__all__ = ["ANY_ANSWER", "Case", "cases_of", "expected_value", "hold_out", "read_cases"]

_LONGEST = 60


class AnyAnswer(Enum):
    """The answer that is expected where only the calls count."""

    ANY = "any answer"

    def __repr__(self) -> str:
        return self.value

    __str__ = __repr__


ANY_ANSWER = AnyAnswer.ANY


@dataclass(frozen=True, slots=True)
class Case:
    """A question to a task: its arguments by name, and the answer that is expected.

    `expected` is a value of the task's return type, or plain data that becomes one; without it any answer is right.
    `task` is the name of the task that is meant, `""` for any. Without a `name` the arguments are shown. Media in plain
    data are `{"path": ...}`, `{"url": ...}` or `{"id": ...}`.

    `calls` are the tool calls that are expected, no more and no fewer: each `{"tool": name, "arguments": {...}}`, whose
    arguments may be left out if any will do; in any order, unless they are `in_order`.
    """

    arguments: Mapping[str, Any]
    expected: Any = ANY_ANSWER
    name: str = ""
    task: str = ""
    calls: Sequence[Mapping[str, Any]] | None = None
    in_order: bool = False

    def __post_init__(self) -> None:
        """Refuse calls that are none; raises `ConfigurationError`."""
        calls: Iterable[Any] = self.calls or ()
        for call in calls:
            if not isinstance(call, Mapping) or "tool" not in call or set(call) - {"tool", "arguments"}:
                raise ConfigurationError(f'expected a call {{"tool": name, "arguments": {{...}}}}, got {call!r:.200}')

    def title(self, task: str) -> str:
        """Name the case for a reader, in one short line."""
        told = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        title = self.name or f"{task}({told})"
        line = " ".join(title.split())
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _shown(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(blank_bytes(value))


def cases_of(task: BaseTask[..., Any, Any]) -> tuple[Case, ...]:
    """Give the `>>>` examples of a task's docstring as cases."""
    signature, output = task.declared.signature, task.declared.output
    cases = []
    for example in signature.doc.examples:
        args, kwargs = example.arguments(signature.name)
        given = signature.signature.bind(*args, **kwargs).arguments
        cases.append(Case(dict(given), example.value(as_text=output.is_text), " ".join(example.call.split())))
    return tuple(cases)


def read_cases(path: str | Path) -> tuple[Case, ...]:
    """Read cases from a JSONL file: one `{"arguments": {...}, "expected": ..., "task": ..., "name": ...}` a line.

    `task` and `name` may be left out; `calls` and `in_order` say which tools are to be called, and where there are
    `calls`, `expected` may be left out too. Raises `ConfigurationError`, which names the line, for what is no case.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"cannot read {str(path)!r}: {exc}").with_cause(exc) from None
    return tuple(_case(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip())


def _case(line: str, where: str) -> Case:
    try:
        data = json.loads(line)
        case = Case(**data if "calls" in data else {"expected": data["expected"], **data})
    except KeyError as exc:
        raise ConfigurationError(f"{where}: a case needs {exc}").with_cause(exc) from None
    except (ValueError, TypeError, ConfigurationError) as exc:
        raise ConfigurationError(f"{where}: this is no case: {exc}").with_cause(exc) from None
    if not isinstance(case.arguments, dict):
        raise ConfigurationError(f'{where}: expected "arguments" by name, got {case.arguments!r:.80}')
    return case


def expected_value(case: Case, output: Output[Any], where: str) -> Any:
    """Give a case's answer as a value of the declared type; raises `ConfigurationError` if it is none."""
    if output.is_text or case.expected is ANY_ANSWER:
        return case.expected
    from pydantic_core import to_jsonable_python

    try:
        plain = to_jsonable_python(case.expected)
        is_bare = output.is_scalar or not output.wrapped
        return output.parse(json.dumps(plain if is_bare else {output.key: plain})).value
    except (DeclaraiError, ValueError) as exc:
        raise ConfigurationError(
            f"{where}: the case {case.title(where)} expects what the task cannot return: {exc}"
        ).with_cause(exc) from None


def hold_out(signature: Signature, output: Output[Any], options: Options, case: Case) -> tuple[Prompt, Any]:
    """Give a task's prompt without the example that is this very case, and the case's bound arguments.

    Raises `TypeError` if the arguments do not fit.
    """
    bound = _bind_by_name(signature, _open_files(signature, case.arguments))
    asked = signature.bind(bound.args, bound.kwargs)
    rest = tuple(e for e in signature.doc.examples if signature.bind(*e.arguments(signature.name)) != asked)
    kept = replace(signature, doc=replace(signature.doc, examples=rest))
    return make_prompt(kept, output, options), bound


def _open_files(signature: Signature, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open the files that a case names for parameters that take media, as `{"photo": {"path": "cat.jpg"}}`."""

    def opened(name: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [opened(name, each) for each in value]
        return Path(value["path"]) if isinstance(value, dict) and value.keys() == {"path"} else value

    media = {name: opened(name, arguments[name]) for name in signature.media if name in arguments}
    return {**arguments, **media} if media else arguments


def _bind_by_name(signature: Signature, arguments: Mapping[str, Any]) -> inspect.BoundArguments:
    """Bind arguments that are all given by name, also those that a call must give by position."""
    parameters = signature.signature.parameters
    named = {name: arguments[name] for name in parameters if name in arguments}
    rest = {name: value for name, value in arguments.items() if name not in parameters}
    binding = inspect.BoundArguments(signature.signature, named)
    return signature.signature.bind(*binding.args, **binding.kwargs, **rest) if rest else binding
