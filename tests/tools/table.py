"""The thirteen probes: asks the loop of tools all of them, and prints what was seen beside what peers do.

    python tests/tools/table.py            the table, with pass or fail for each row
    python tests/tools/table.py --write    the same, and puts it into docs/guides/tools.md

It ends with 1 if a probe fails.
"""

import contextlib
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "guides" / "tools.md"
sys.path.insert(0, str(FOLDER.parent))

from tools.probes import PEERS, PROBES  # noqa: E402 - it lies beside this script

_PROBE = re.compile(r"::test_probe_(\d+)_")
_MARKED = re.compile(r"(?<=<!-- probes -->\n).*?(?=<!-- end of the probes -->)", re.DOTALL)


class Outcomes:
    """How the tests of each probe have ended."""

    def __init__(self):
        self.passed, self.failed = Counter(), Counter()

    def pytest_runtest_logreport(self, report):
        """Note the end of a test."""
        found = _PROBE.search(report.nodeid)
        if found is not None and (report.failed or report.when == "call"):
            (self.failed if report.failed else self.passed)[int(found[1])] += 1

    def verdict(self, number):
        """Say what became of a probe."""
        if self.failed[number]:
            return f"FAIL, {self.failed[number]}"
        return f"pass, {self.passed[number]}" if self.passed[number] else "NO TEST"


def table(verdicts=None):
    """Write the table as Markdown; with `verdicts`, a column of them."""
    heads = ["probe", "declarai_like", *(["tests"] if verdicts else []), *PEERS]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for probe in PROBES:
        mine = [verdicts.verdict(probe.number)] if verdicts else []
        cells = [f"{probe.number}. {probe.asked}", f"**{probe.ours}**", *mine, *probe.peers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    """Ask, print, and write if that is wanted."""
    outcomes = Outcomes()
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", str(FOLDER / "test_probes.py")], plugins=[outcomes])
    print(table(outcomes), end="")  # noqa: T201 - a command
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text("utf-8")
        PAGE.write_text(_MARKED.sub(lambda _: table(), page), "utf-8")
    return 0 if all(outcomes.verdict(probe.number).startswith("pass") for probe in PROBES) else 1


if __name__ == "__main__":
    sys.exit(main())
