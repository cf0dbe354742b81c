"""A file of finished rows, from which an interrupted map goes on."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from declarai_like._rows.checkpoint_files import CheckpointFile
from declarai_like._rows.offsets import Offsets
from declarai_like._rows.row_records import record_of, row_of
from declarai_like.errors import CheckpointMismatch, OutputError

if TYPE_CHECKING:
    import os

    from declarai_like._rows.protocols import RowTask
    from declarai_like._rows.rows import Row

__all__ = ["Checkpoint"]

T = TypeVar("T")
logger = logging.getLogger("declarai_like")
_FORMAT = 1


class Checkpoint(Generic[T]):
    """Keeps finished rows in a file, and finds them again in a later run.

    The file is a line of JSON for each row, below a line that says which task, prompt, model and type they are of.
    What is kept of a key last is what counts. Raises `CheckpointMismatch` for a file of other rows, `CheckpointBusy`
    where another map writes it.
    """

    def __init__(
        self, task: RowTask[T], path: str | os.PathLike[str], *, fresh: bool = False, retry_failed: bool = True
    ) -> None:
        self._output = task.output
        self._retry_failed = retry_failed
        self._offsets = Offsets()
        self.batches: dict[str, dict[str, Any]] = {}
        """The batches that were begun for these rows, by the names of their runs, as they were last kept."""
        self._file = CheckpointFile(path, fresh=fresh)
        try:
            self._read(header_of(task))
        except BaseException:
            self._file.close()
            raise

    def find(self, key: str, index: int) -> Row[T] | None:
        """Give what is kept of a key, as the row at this place of the input; `None` if it is to be asked."""
        for offset in self._offsets.find(key):
            record = _parsed(self._file.line_at(offset))
            if record is not None and record["key"] == key:
                return self._row(record, index)
        return None

    def keep(self, row: Row[T]) -> None:
        """Write a row to the end of the file."""
        line = json.dumps(record_of(row, self._output), ensure_ascii=False, separators=(",", ":"))
        self._offsets.add(row.key, self._file.append(line))

    def keep_batch(self, batch: dict[str, Any]) -> None:
        """Write what is known of a batch, and put it on the disk."""
        self.batches[batch["run"]] = batch
        self._file.append(json.dumps({"batch": batch}, separators=(",", ":")))
        self._file.sync()

    def close(self) -> None:
        """Put all on the disk, and let others write; closing twice is fine."""
        self._file.close()

    def _row(self, record: dict[str, Any], index: int) -> Row[T] | None:
        if "error" in record and self._retry_failed:
            return None
        try:
            return replace(row_of(record, self._output, index), cached=True)
        except OutputError as error:
            logger.warning("%r: the row %s is asked again: %s", self._file, record["key"], error)
            return None

    def _read(self, header: dict[str, Any]) -> None:
        """Check whose file it is, and note where each key stands."""
        lines = iter(self._file.lines())
        first = next(lines, None)
        if first is None:
            self._file.append(json.dumps(header, ensure_ascii=False))
            return
        _require_same(_parsed(first[1]), header, self._file)
        for offset, line in lines:
            record = _parsed(line)
            if record is not None and isinstance(record.get("batch"), dict):
                self.batches[record["batch"]["run"]] = record["batch"]
                continue
            if record is None or not isinstance(record.get("key"), str) or not record.keys() & {"value", "error"}:
                raise CheckpointMismatch(
                    f"{self._file!r}: expected a row at byte {offset}, got {line[:80]!r}: the file is damaged there; "
                    "give another file, or fresh=True"
                )
            self._offsets.add(record["key"], offset)


def header_of(task: RowTask[Any]) -> dict[str, Any]:
    """Give the first line of a task's checkpoint: what the answers depend on, beside the arguments."""
    identity = task.identity()
    schema = json.dumps(identity.pop("schema"), sort_keys=True, default=repr)
    return {
        "format_version": _FORMAT,
        **json.loads(json.dumps(identity, default=repr)),
        "schema": sha256(schema.encode()).hexdigest()[:16],
    }


def _require_same(found: Any, header: dict[str, Any], file: CheckpointFile) -> None:
    """Raise `CheckpointMismatch` with all that differs."""
    if not isinstance(found, dict) or "format_version" not in found:
        raise CheckpointMismatch(f"{file!r} is no checkpoint of rows: give another file, or fresh=True")
    names = [name for name in {**header, **found} if found.get(name) != header.get(name)]
    if names:
        told = "; ".join(f"{name} was {found.get(name)!r:.80}, and is {header.get(name)!r:.80}" for name in names)
        raise CheckpointMismatch(
            f"{file!r} holds the rows of another task, prompt, model or type: {told}. "
            "Give another file, or fresh=True, which keeps this one beside the new one"
        )


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
