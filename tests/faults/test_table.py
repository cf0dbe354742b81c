"""The fault table, its tests and its page tell of the same rows."""

import re
from pathlib import Path

from faults.rows import ROWS

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "faults.md"
PROMISED = [*range(1, 35), *range(43, 47), 48]


def test_table_has_the_promised_rows():
    assert [row.number for row in ROWS] == PROMISED


def test_each_row_has_tests_and_each_test_has_a_row():
    sources = "".join(path.read_text("utf-8") for path in sorted(FOLDER.glob("test_*.py")))
    names = re.findall(
        r"^def test_(?:row_(\d+)_)?", sources.replace(Path(__file__).read_text("utf-8"), ""), re.MULTILINE
    )
    assert sorted({int(number) for number in names if number}) == PROMISED
    assert all(names)


def test_page_tells_of_each_row():
    told = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert [(int(number), fault, seen) for number, fault, seen in told] == [
        (row.number, row.fault, row.seen) for row in ROWS
    ]
