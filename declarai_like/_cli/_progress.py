"""How far a command is, on stderr: rich's bar if it is installed, else a line of our own."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like.providers._model_files import Progress

__all__ = ["progress_bar"]

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LOG_STEPS = 4  # lines in a log file, where nothing can be drawn over


Unit = Literal["bytes", "calls"]


def progress_bar(title: str, stream: TextIO, unit: Unit = "bytes") -> contextlib.AbstractContextManager[Progress]:
    """Show progress while the block runs: it gives a function of what is done and of what there is in all."""
    if not stream.isatty():
        return _log(title, stream, unit)
    if importlib.util.find_spec("rich") is None:
        return _line(title, stream, unit)
    return _rich(title, stream, unit)


@contextlib.contextmanager
def _log(title: str, stream: TextIO, unit: Unit) -> Iterator[Progress]:
    """Write a few whole lines, for files and logs."""
    last_step = -1

    def show(done: int, total: int) -> None:
        nonlocal last_step
        step = done * _LOG_STEPS // total
        if step > last_step:
            last_step = step
            print(f"{title}: {_amount(done, total, unit)}", file=stream, flush=True)

    yield show


@contextlib.contextmanager
def _line(title: str, stream: TextIO, unit: Unit) -> Iterator[Progress]:
    """Draw one line over and over, for a terminal."""
    start = time.monotonic()
    drawn = start - _REDRAW_SECONDS

    def show(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn < _REDRAW_SECONDS and done < total:
            return
        drawn = now
        bar = "#" * (done * _WIDTH // total)
        seconds = max(now - start, _REDRAW_SECONDS)
        speed = f"{done / 1e6 / seconds:.1f} MB/s" if unit == "bytes" else f"{done / seconds:.1f} a second"
        print(f"\r{title} [{bar:-<{_WIDTH}}] {_amount(done, total, unit)}, {speed} ", end="", file=stream, flush=True)

    try:
        yield show
    finally:
        print(file=stream, flush=True)


@contextlib.contextmanager
def _rich(title: str, stream: TextIO, unit: Unit) -> Iterator[Progress]:
    """Draw rich's bar, with the time that is left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amounts: list[Any] = [DownloadColumn(), TransferSpeedColumn()] if unit == "bytes" else [MofNCompleteColumn()]
    columns = (TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _amount(done: int, total: int, unit: Unit) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if unit == "bytes" else f"{done} of {total} calls"
