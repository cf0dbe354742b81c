"""`declarai-like logs`: look at the calls that `middleware.log` has kept."""

from __future__ import annotations

import difflib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from declarai_like._cli._console import diff_style, make_printer, table
from declarai_like.errors import ConfigurationError
from declarai_like.middleware._call_log.store import CallLogStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from declarai_like.middleware._call_log.store import LoggedCall

__all__ = ["show_logs"]

_HEADINGS = ("id", "when", "task", "model", "outcome", "seconds", "tokens", "cost", "error")
_LONGEST = 60


def show_logs(
    path: str,
    *,
    words: str = "",
    task: str = "",
    failed: bool = False,
    limit: int = 20,
    call: int | None = None,
    compare: Sequence[int] | None = None,
    case: int | None = None,
    as_json: bool = False,
) -> None:
    """Print a list of calls, the newest first; or one of them, two beside each other, or one as a case for `eval`.

    Raises `ConfigurationError` for what is no log, and for a call that is not in it.
    """
    store = CallLogStore(path)
    if case is not None:
        print(_case_of(store.get(case)))
    elif compare is not None:
        _print_difference(*(store.get(number) for number in compare))
    elif call is not None:
        found = store.get(call)
        print(_json(found)) if as_json else _print_call(found)
    else:
        calls = store.find(words=words, task=task, failed=failed, limit=limit)
        if as_json:
            for each in calls:
                print(_json(each))
        else:
            _print_table(calls, store.dropped)


def _json(call: LoggedCall) -> str:
    return json.dumps(call, ensure_ascii=False)


def _case_of(call: LoggedCall) -> str:
    """Write a call as a line of a file of cases: what it answered is what is expected."""
    if "arguments" not in call or "answer" not in call:
        raise ConfigurationError(f"call {call['id']} was logged without its content: write log(path, content=True)")
    return json.dumps({"arguments": call["arguments"], "expected": _read(call["answer"])}, ensure_ascii=False)


def _read(answer: str) -> Any:
    try:
        data = json.loads(answer)
    except ValueError:
        return answer
    return data["declarai_result"] if isinstance(data, dict) and list(data) == ["declarai_result"] else data


def _cells(call: LoggedCall) -> list[str]:
    tokens = [call["prompt_tokens"], call["completion_tokens"]]
    return [
        str(call["id"]),
        f"{datetime.fromtimestamp(call['at']).astimezone():%Y-%m-%d %H:%M:%S}",
        call["task"] or "-",
        call["model"] or "-",
        call["outcome"],
        f"{call['seconds']:.2f}",
        "-" if None in tokens else f"{tokens[0]}+{tokens[1]}",
        "-" if call["cost"] is None else f"${call['cost']:.4f}",
        _shorten(call["error"] or ""),
    ]


def _shorten(text: str) -> str:
    line = _printable(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _printable(text: str) -> str:
    """Leave out what would move a terminal's cursor, or colour it."""
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t")


def _print_table(calls: Sequence[LoggedCall], dropped: int) -> None:
    say = make_printer()
    heading, *lines = table(_HEADINGS, map(_cells, calls), left=len(_HEADINGS))
    say(heading if calls else "no calls", "bold")
    for call, line in zip(calls, lines, strict=True):
        say(line, "red" if call["outcome"] == "failed" else "")
    if dropped:
        say(f"{dropped} calls came faster than they could be written, and are not here", "yellow")


def _print_call(call: LoggedCall) -> None:
    say = make_printer()
    for name, value in call.items():
        if name not in {"messages", "answer", "arguments", "chunks", "tool_calls"} and value is not None:
            say(f"{name}: {_printable(str(value))}", "")
    for message in call.get("messages", ()):
        say(f"\n[{message['role']}]", "bold cyan")
        say(_printable(message["content"]), "")
    if "answer" in call:
        say("\n[answer]", "bold green")
        say(_printable(call["answer"]), "")
        for one in call.get("tool_calls", ()):
            say(_printable(f"calls {one['name']}({one['arguments']})"), "")
    else:
        say("\nwhat was said is not in the log: log(path, content=True) keeps it", "")


def _print_difference(first: LoggedCall, second: LoggedCall) -> None:
    say = make_printer()
    for name in _HEADINGS[2:]:
        one, other = (dict(zip(_HEADINGS, _cells(call), strict=True))[name] for call in (first, second))
        if one != other:
            say(f"{name}: {one} -> {other}", "")
    for line in difflib.unified_diff(
        _lines(first), _lines(second), str(first["id"]), str(second["id"]), lineterm="", n=1
    ):
        say(line, diff_style(line))


def _lines(call: LoggedCall) -> list[str]:
    said = [f"[{message['role']}]\n{message['content']}" for message in call.get("messages", ())]
    return _printable("\n".join([*said, f"[answer]\n{call.get('answer', '')}"])).splitlines()
