"""How far a download is, on stderr: rich's bar if it is installed, else a line of our own."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from declarai_like._models import Progress

__all__ = ["progress_bar"]

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LOG_STEPS = 4  # lines in a log file, where nothing can be drawn over


def progress_bar(title: str, stream: TextIO) -> contextlib.AbstractContextManager[Progress]:
    """Show progress while the block runs: it gives a function of the bytes done and the bytes in all."""
    if not stream.isatty():
        return _log(title, stream)
    if importlib.util.find_spec("rich") is None:
        return _line(title, stream)
    return _rich(title, stream)


@contextlib.contextmanager
def _log(title: str, stream: TextIO) -> Iterator[Progress]:
    """Write a few whole lines, for files and logs."""
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        step = done * _LOG_STEPS // total
        if step > shown:
            shown = step
            print(f"{title}: {_megabytes(done, total)}", file=stream, flush=True)

    yield show


@contextlib.contextmanager
def _line(title: str, stream: TextIO) -> Iterator[Progress]:
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
        speed = done / 1e6 / max(now - start, _REDRAW_SECONDS)
        print(
            f"\r{title} [{bar:-<{_WIDTH}}] {_megabytes(done, total)}, {speed:.1f} MB/s ",
            end="",
            file=stream,
            flush=True,
        )

    try:
        yield show
    finally:
        print(file=stream, flush=True)


@contextlib.contextmanager
def _rich(title: str, stream: TextIO) -> Iterator[Progress]:
    """Draw rich's bar, with the speed and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task(title)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _megabytes(done: int, total: int) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
