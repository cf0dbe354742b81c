"""Rows as plain data, as they stand in a checkpoint and come back from a worker, and data back to rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from declarai_like import errors
from declarai_like._rows.rows import Row
from declarai_like.completions import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from declarai_like._outputs.output import Output

__all__ = ["error_of", "record_of", "row_of"]

T = TypeVar("T")
_FACTS = ("status", "code", "type", "request_id", "retry_after")


def record_of(row: Row[T], output: Output[T]) -> dict[str, Any]:
    """Give a row as data that JSON can say."""
    record: dict[str, Any] = {"key": row.key, "index": row.index}
    if row.error is None:
        record["value"] = output.to_data(row.value)  # type: ignore[arg-type]  # without an error there is a value
    else:
        record["error"] = _error_data(row.error)
    if row.usage is not None:
        record["usage"] = {name: told for name, told in asdict(row.usage).items() if told not in (None, {})}
    return {**record, "seconds": round(row.seconds, 6)}


def row_of(record: Mapping[str, Any], output: Output[T], index: int) -> Row[T]:
    """Read a row again, as that of this place; raises `OutputError` for a value that is not of the task's type."""
    usage = record.get("usage")
    told: dict[str, Any] = {
        "usage": Usage(**usage) if isinstance(usage, dict) else None,
        "seconds": record.get("seconds", 0.0),
    }
    if "error" in record:
        return Row(index, record["key"], error=error_of(record["error"]), **told)
    return Row(index, record["key"], value=output.of_data(record["value"]), **told)


def error_of(data: Mapping[str, Any]) -> errors.DeclaraiError:
    """Make an error again: one of ours by its name, any other as a `DeclaraiError` that tells its name."""
    name, message = data.get("name", ""), data.get("message", "")
    kind: Any = getattr(errors, name, None) if name in errors.__all__ else None
    if kind is None:
        return errors.DeclaraiError(f"{name}: {message}")
    facts = {fact: data[fact] for fact in _FACTS if data.get(fact) is not None}
    return kind(message, **facts) if issubclass(kind, errors.ProviderError) else kind(message)  # type: ignore[no-any-return]


def _error_data(error: BaseException) -> dict[str, Any]:
    facts = {fact: getattr(error, fact, None) for fact in _FACTS} if isinstance(error, errors.ProviderError) else {}
    told = {fact: value for fact, value in facts.items() if isinstance(value, (str, int, float))}
    return {"name": type(error).__name__, "message": str(error), **told}
