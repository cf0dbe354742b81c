"""`declarai-like map`: one task over the rows of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declarai_like._cli._models import read_model
from declarai_like._cli._row_files import count_rows, read_rows
from declarai_like._cli._run import find_task
from declarai_like.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from declarai_like.rows import Row

__all__ = ["map_file"]

_SOME_FAILED = 1


def map_file(
    target: str,
    rows: str,
    *,
    output: str,
    model: str | None = None,
    estimate: bool = False,
    quiet: bool = False,
    **options: Any,
) -> int:
    """Ask a task about each row of a file, and write a line of JSON for each: the row, its value, its error.

    What has finished is kept beside the output, so that the same command goes on after it was ended; the output is
    there when all rows are. `estimate` prints what it would take, and sends nothing. Returns 1 if rows have failed.
    """
    task = find_task(target)
    if model is not None:
        task = task.with_declaration(task.declared.with_model(read_model(model)))
    source = _Counted(rows, task, options.get("key"), count_rows(rows, task))
    if estimate:
        print(task.estimate(source))
        return 0
    path = Path(output)
    given = task.map(source, checkpoint=checkpoint_of(path), progress=not quiet, **options)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            failed = _write_all(file, given, read_rows(rows, task), task)
    except OSError as exc:
        raise ConfigurationError(f"{output!r} cannot be written: {exc.strerror or exc}") from None
    part.replace(path)
    print(f"{source.count} rows, {failed} failed: {output}", file=sys.stderr)
    return _SOME_FAILED if failed else 0


def checkpoint_of(output: Path) -> Path:
    """Give the file beside an output that keeps what has finished."""
    return output.with_name(f"{output.stem}.checkpoint.jsonl")


class _Counted:
    """The rows of a file as arguments, and the key's column; it knows how many they are."""

    def __init__(self, path: str, task: Any, key: str | None, count: int) -> None:
        self._path = path
        self._task = task
        self._key = key
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        return map(self._arguments, read_rows(self._path, self._task))

    def _arguments(self, row: Any) -> Any:
        """Leave out what is neither an argument nor the key."""
        picked = self._task.pick_arguments(row)
        return {**picked, self._key: row[self._key]} if isinstance(row, dict) and self._key in row else picked


def _write_all(file: TextIO, given: Iterator[Row[Any]], rows: Iterator[Any], task: Any) -> int:
    """Write what became of each row beside the row; give how many have failed."""
    failed = 0
    for row, raw in zip(given, rows, strict=True):
        failed += row.error is not None
        told = {"row": raw, "value": None if row.error else task.declared.output.to_data(row.value)}
        told["error"] = None if row.error is None else f"{type(row.error).__name__}: {row.error}"
        file.write(json.dumps(told, ensure_ascii=False) + "\n")
    return failed
