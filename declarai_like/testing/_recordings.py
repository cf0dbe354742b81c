"""Calls as a file keeps them: what was asked, what came, and when."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from declarai_like import errors
from declarai_like._values.buffers import VendorChunk
from declarai_like._wire.accumulator import DONE
from declarai_like.errors import ConfigurationError, ProviderError
from declarai_like.testing._secrets import hide_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSION = 1
LEFT = "[LEFT]"
"""The last row of a stream whose reader went away."""
_DONE = "[DONE]"

Row: TypeAlias = "tuple[float, Any]"
"""Seconds since the row before, and what came then: a chunk or body, an error, `LEFT`, or the end."""


@dataclass(slots=True)
class Recording:
    """One call: `request` are the lines of its transcript, `rows` what came."""

    task: str
    provider: str
    request: list[str]
    rows: list[Row] = field(default_factory=list)


def load(path: Path) -> list[Recording]:
    """Read a file of recordings; there are none if there is no file.

    Raises `ConfigurationError` if it cannot be read as one.
    """
    try:
        file_data = json.loads(path.read_bytes())
        if file_data["version"] != VERSION:
            raise ConfigurationError(f"{path}: expected version {VERSION}, got {file_data['version']!r}; {_AGAIN}")
        return [
            Recording(call["task"], call["provider"], call["request"], [_row(*row) for row in call["answer"]])
            for call in file_data["calls"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is no recording ({error!r:.200}); {_AGAIN}").with_cause(error) from None


def save(path: Path, recordings: Iterable[Recording]) -> None:
    """Write recordings so that a person can read them, a chunk a line; the folder is made.

    They hold what was asked and answered, so a new file is its owner's alone. One that is there keeps its permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    calls = ",\n".join(map(_call, recordings))
    text = f'{{\n"version": {VERSION},\n"calls": [\n{calls}\n]\n}}\n'
    # Half of a surrogate pair is no UTF-8; with the backslash it is JSON's own way to write it.
    with open(path, "wb", opener=_open_private) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def to_storable(value: Any) -> Any:
    """Give what came as it will be stored: without secrets, and only what JSON can say."""
    if value is DONE or value == LEFT or isinstance(value, ProviderError):
        return value
    if isinstance(value, VendorChunk):
        return VendorChunk(json.loads(_json(hide_secrets(dict(value)))), json.loads(_json(hide_secrets(value.sent))))
    return json.loads(_json(hide_secrets(value)))


_AGAIN = "record anew with --llm-record=all"
_FACTS = ("status", "code", "type", "request_id", "retry_after", "phase", "body")


def _call(recording: Recording) -> str:
    lines = ",\n".join(f"    {_json(line)}" for line in recording.request)
    rows = ",\n".join(f"    {_json(_to_row(*row))}" for row in recording.rows)
    head = f'  "task": {_json(recording.task)},\n  "provider": {_json(recording.provider)}'
    return f' {{\n{head},\n  "request": [\n{lines}\n  ],\n  "answer": [\n{rows}\n  ]\n }}'


def _to_row(seconds: float, value: Any) -> list[Any]:
    if value is DONE:
        return [seconds, _DONE]
    if isinstance(value, ProviderError):
        facts = {name: getattr(value, name) for name in _FACTS}
        known = {name: fact for name, fact in facts.items() if fact is not None}
        return [seconds, type(value).__name__, hide_secrets({"message": value.message, **known})]
    return [seconds, value, value.sent] if isinstance(value, VendorChunk) else [seconds, value]


def _row(seconds: float, value: Any, told: Any = None) -> Row:
    """Read a row: a chunk, with what the vendor sent where that was another format, or an error with its facts."""
    if isinstance(value, dict):
        return seconds, value if told is None else VendorChunk(value, told)
    if told is not None:
        kind: Any = getattr(errors, value)
        return seconds, kind(**told)
    return seconds, DONE if value == _DONE else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
