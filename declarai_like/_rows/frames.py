"""What an engine's worker calls: rows in, plain columns out; nothing is raised for a row."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from declarai_like._rows.maps import Rows
from declarai_like._rows.row_records import record_of
from declarai_like._rows.settings import Settings
from declarai_like.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from declarai_like._rows.protocols import RowTask
    from declarai_like._rows.rows import Row

__all__ = ["Frame", "plain_rows"]

_DTYPES = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}
"""pandas' names of the columns that hold such values, and nothing where there is none."""


def plain_rows(
    task: RowTask[Any],
    rows: Sequence[Any],
    *,
    concurrency: int = 32,
    rpm: float | None = None,
    tpm: float | None = None,
    workers: int = 1,
) -> list[dict[str, Any]]:
    """Ask about rows, and give a dict of plain data for each: `value`, `error`, `usage`, `key`."""
    if workers < 1:
        raise DefinitionError(f"workers: expected a whole number from 1 on, got {workers!r:.80}")
    settings = Settings(
        concurrency=concurrency,
        rpm=None if rpm is None else rpm / workers,
        tpm=None if tpm is None else tpm / workers,
        progress=False,
    )
    given: list[dict[str, Any]] = []
    try:
        for row in Rows(task, map(task.pick, rows), settings):
            given.append(_plain(row, task))  # noqa: PERF401 - what is there when it stops counts
    except Exception as error:  # what all rows would fail with is what those fail with that were not asked
        given += [_failed(error)] * (len(rows) - len(given))
    return given


def _plain(row: Row[Any], task: RowTask[Any]) -> dict[str, Any]:
    if row.error is not None:
        return {**_failed(row.error), "key": row.key}
    record = record_of(row, task.output)
    return {"value": record["value"], "error": None, "usage": record.get("usage"), "key": row.key}


def _failed(error: BaseException) -> dict[str, Any]:
    return {"value": None, "error": f"{type(error).__name__}: {error}", "usage": None, "key": ""}


class Frame:
    """A function of a DataFrame, of pandas or Polars, that gives it with a column of values; it can be pickled."""

    def __init__(
        self, task: RowTask[Any], *, column: str, error_column: str | None, options: Mapping[str, Any]
    ) -> None:
        self._task = task
        self._column = column
        self._error_column = error_column
        self._options = dict(options)

    def __call__(self, frame: Any) -> Any:
        """Ask about each row of a frame; columns that are no argument are left alone."""
        if hasattr(frame, "to_dicts"):
            return self._polars(frame)
        if not hasattr(frame, "to_dict"):
            raise DefinitionError(f"expected a DataFrame of pandas or Polars, got {type(frame).__name__}")
        columns = self._columns(frame.to_dict("records"))
        dtypes = {self._column: _DTYPES.get(self._task.output.annotation, "object"), self._error_column: "string"}
        pandas = import_module("pandas")  # it is there: the frame is its

        return frame.assign(
            **{name: pandas.Series(values, index=frame.index, dtype=dtypes[name]) for name, values in columns.items()}
        )

    def _polars(self, frame: Any) -> Any:
        polars = import_module("polars")  # it is there: the frame is its

        columns = self._columns(frame.to_dicts())
        return frame.with_columns(
            polars.Series(name, values, dtype=polars.String if name == self._error_column else None, strict=False)
            for name, values in columns.items()
        )

    def _columns(self, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
        given = plain_rows(self._task, rows, **self._options)
        columns = {self._column: [row["value"] for row in given]}
        if self._error_column is not None:
            columns[self._error_column] = [row["error"] for row in given]
        return columns

    def __repr__(self) -> str:
        return f"<Frame {self._column!r}>"
