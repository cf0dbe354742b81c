"""Rows of files: CSV with a heading, or a line of JSON each."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like._cli._arguments import takes_text
from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["count_rows", "read_rows"]

_CSV = {".csv": ",", ".tsv": "\t"}
_JSONL = {".jsonl", ".ndjson"}


def read_rows(path: str, task: Any) -> Iterator[Any]:
    """Give the rows of a file, one after the other; raises `ConfigurationError` for a file that has none.

    A cell is JSON where it can be read as such, unless the parameter of its column is a `str`.
    """
    kind = Path(path).suffix.lower()
    if kind in _CSV:
        return _csv_rows(path, task, _CSV[kind])
    if kind in _JSONL:
        return _json_rows(path)
    raise ConfigurationError(f"{path!r}: expected a file that ends with {', '.join([*_CSV, *sorted(_JSONL)])}")


def count_rows(path: str, task: Any) -> int:
    """Count the rows of a file, which is read to its end."""
    return sum(1 for _ in read_rows(path, task))


def _csv_rows(path: str, task: Any, delimiter: str) -> Iterator[dict[str, Any]]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter=delimiter, strict=True):
                yield {name: _cell(name, text, task) for name, text in row.items() if name is not None}
    except (OSError, csv.Error, UnicodeDecodeError) as exc:
        raise _unreadable(path, exc) from None


def _cell(name: str, text: Any, task: Any) -> Any:
    if not isinstance(text, str) or takes_text(name, task):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json_rows(path: str) -> Iterator[Any]:
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parsed(path, number, line)
    except (OSError, UnicodeDecodeError) as exc:
        raise _unreadable(path, exc) from None


def _parsed(path: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as exc:
        raise ConfigurationError(f"{path}, line {number}: expected JSON, got {line.strip()!r:.80}: {exc}") from None


def _unreadable(path: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path!r} cannot be read: {getattr(error, 'strerror', None) or error}")
