"""Raises an exception at any one line of this package that a call runs through, as Ctrl-C may at any moment."""

import sys
from contextlib import contextmanager
from pathlib import Path

import declarai_like

PACKAGE = str(Path(declarai_like.__file__).parent)


class Interrupts:
    """Counts the lines that are run of our package, or of others too, and raises at the one with the number `at`."""

    def __init__(self, kind=KeyboardInterrupt, at=None, packages=(PACKAGE,)):
        self.kind, self.at, self.packages = kind, at, packages
        self.lines = 0
        self.place = None
        self.met = {}

    @contextmanager
    def active(self):
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield self
        finally:
            sys.settrace(before)

    def _enter(self, frame, event, _argument):
        return self._line if frame.f_code.co_filename.startswith(self.packages) else None

    def _line(self, frame, event, _argument):
        if event != "line" or self.place is not None:
            return self._line
        self.lines += 1
        if self.at is None:
            self.met.setdefault((frame.f_code, frame.f_lineno), []).append(self.lines)
        elif self.lines == self.at:
            self.place = f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}"
            raise self.kind
        return self._line


def lines_of(call, packages=(PACKAGE,)):
    """Count the lines of these packages that a call runs through."""
    with Interrupts(packages=packages).active() as interrupts:
        call()
    return interrupts.lines


def ends_of_lines(call):
    """Give the numbers at which each line of ours is run for the first and for the last time: between, loops go on."""
    with Interrupts().active() as interrupts:
        call()
    return sorted({number for met in interrupts.met.values() for number in (met[0], met[-1])})
