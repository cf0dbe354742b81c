"""The fault table: injects every fault, and prints what became of it.

    python tests/faults/table.py            the table, with pass or fail for each row
    python tests/faults/table.py --write    the same, and puts it into docs/faults.md

All tests run twice: over our own transport, and through the door, where an official client sends. It ends with 1 if a
test fails, or if a row has none.
"""

import argparse
import contextlib
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "faults.md"
sys.path.insert(0, str(FOLDER.parent))

from faults.rows import ROWS  # noqa: E402 - it lies beside this script

HEAD = "| row | fault | what you see | tests | through `client=` |"
_ROW = re.compile(r"::test_row_(\d+)_")
_MARKED = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of the table -->)", re.DOTALL)
_GROWN = re.compile(r"grew by (\d+) MB")


class Results:
    """What became of the tests of each row, and what they have measured."""

    def __init__(self, no_test="NO TEST"):
        self.no_test = no_test
        self.passed = defaultdict(set)
        self.failed = defaultdict(set)
        self.figures = defaultdict(list)

    def pytest_runtest_logreport(self, report):
        """Note the outcome of a test: pytest calls it for its beginning, its body, and its end."""
        found = _ROW.search(report.nodeid)
        if found is None:
            return
        row = int(found[1])
        if report.failed:
            self.failed[row].add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed[row].add(report.nodeid)
        if report.when == "call":
            self.figures[row] += [text for name, text in report.user_properties if name == "figure"]

    def verdict(self, row):
        """Say what became of a row."""
        passed, failed = len(self.passed[row] - self.failed[row]), len(self.failed[row])
        if failed:
            return f"FAIL, {failed} of {passed + failed}"
        return f"pass, {passed}" if passed else self.no_test

    @property
    def are_good(self):
        """Whether each row has the tests that it needs, and all of them have passed."""
        return not any(self.verdict(row.number).startswith(("FAIL", "NO TEST")) for row in ROWS)

    def shown_figures(self):
        """Give what was measured; of the growths of a row the largest one."""
        for row in sorted(self.figures):
            grown = [text for text in self.figures[row] if _GROWN.search(text)]
            yield from dict.fromkeys(text for text in self.figures[row] if text not in grown)
            if grown:
                yield max(grown, key=lambda text: int(_GROWN.search(text)[1])) + " (the most of this row)"


def run(*options, no_test="NO TEST"):
    """Run the tests of the rows; what pytest says goes to the error output."""
    results = Results(no_test)
    told = [str(FOLDER), "--soak", "-q", "--no-header", "-k", "test_row_", "-p", "no:cacheprovider", *options]
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(told, plugins=[results])
    return results


def plain(results, door):
    """Give the table for a terminal."""
    lines = [
        f"{row.number:>3}  {results.verdict(row.number):<14}  {door.verdict(row.number):<14}  {row.fault}\n{'':>37}{row.seen}"
        for row in ROWS
    ]
    return "\n".join([*lines, "", *results.shown_figures()])


def markdown(results, door):
    """Give the table for the documentation."""
    lines, group = [], None
    for row in ROWS:
        if row.group != group:
            group = row.group
            lines += ["", f"### {group}", "", HEAD, "| --: | --- | --- | --- | --- |"]
        lines.append(
            f"| {row.number} | {row.fault} | {row.seen} | {results.verdict(row.number)} | {door.verdict(row.number)} |"
        )
    figures = [f"- {text}" for text in results.shown_figures()]
    return "\n".join([*lines, "", "### Figures of this run", "", *figures, "", ""])


def main():
    """Run, print, and write if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="refresh the table in docs/faults.md")
    told = parser.parse_args()
    results, door = run(), run("--door", no_test="-")
    print(plain(results, door))  # noqa: T201 - it is what the command is for
    if told.write:
        table = markdown(results, door)
        PAGE.write_text(_MARKED.sub(lambda _: table, PAGE.read_text("utf-8")), "utf-8")
    return 0 if results.are_good and door.are_good else 1


if __name__ == "__main__":
    sys.exit(main())
