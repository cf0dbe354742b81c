"""What other programs show of an evaluation: JUnit's XML, Markdown, a page."""

import re
from xml.etree import ElementTree as ET

import pytest

from declarai_like.errors import ConfigurationError, OutputError, ServerError
from declarai_like.evals import Case, Run
from declarai_like.evals._comparison import compare
from declarai_like.evals._files import read_baseline, write_report
from declarai_like.evals._reports import as_html, as_junit, as_markdown, describe_comparison

CASE, OTHER = Case({}, 5, name="down"), Case({}, 1, name="<b>ty\x00po | \ud83d</b>")


def run(case=CASE, **facts):
    return Run(**{"task": "rank", "case": case, "llm": "m", "expected": case.expected, "seconds": 0.5, **facts})


RUNS = [
    run(value=5, text="5", score=1.0),
    run(value=4, text="4", score=0.0),
    run(OTHER, text="<script>alert(1)</script>", error=OutputError("no int"), score=0.0),
    run(llm="n", value=5, text="5", score=1.0),
    run(OTHER, llm="n", error=ServerError("it is down")),
]


def test_junit_has_a_suite_for_each_model_and_a_case_for_each_question():
    suites = ET.fromstring(as_junit(RUNS))  # noqa: S314 - our own
    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("errors")) for s in suites] == [
        ("m", "2", "2", "0"),
        ("n", "2", "0", "1"),
    ]
    down, typo = suites[0]
    assert (down.get("classname"), down.get("name"), down.get("time")) == ("rank", "down", "1.000")
    assert down[0].get("message") == "1 of 2 runs are right"
    assert down[0].text == "down on m: expected 5, got 4 (score 0.00)\n  '4'"
    assert typo.get("name") == "<b>typo | \N{REPLACEMENT CHARACTER}</b>"
    assert suites[1][1][0].text.endswith("could not be asked: it is down")


def test_markdown_has_a_table_what_has_changed_and_what_was_wrong():
    before = {"m": {("rank", "down"): [1.0], ("rank", OTHER.name): [1.0]}}
    text = as_markdown(RUNS[:3], compare(RUNS[:3], before))
    assert "| m | 3 | 0.33 | " in text
    assert "- m: cannot tell: 1.00 before, 0.25 now, over 2 cases; the difference is -0.75 (" in text
    assert "<details><summary>2 wrong answers</summary>" in text
    assert text.count("```") == 2
    assert as_markdown(RUNS[3:4]).count("\n") == 3


def test_page_shows_models_side_by_side_and_runs_nothing():
    page = as_html(RUNS)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert re.search(r"<th>m\s*<th>n", page)
    assert "it is down" in page


def test_page_shows_what_has_changed_first():
    before = {"old": {("rank", "down"): [0.0], ("rank", OTHER.name): [0.0]}}
    page = as_html([*RUNS[2:3], *RUNS[:2]], compare(RUNS[:3], before), before)
    assert page.index("<td>down") < page.index("<td>&lt;b&gt;")
    assert 'class="better"' in page
    assert "(before 0.00)" in page
    worse = as_html(RUNS[1:2], (), {"m": {("rank", "down"): [1.0]}, "n": {}})
    assert 'class="worse"' in worse


def test_a_text_answer_is_shown_as_it_came():
    text = as_markdown([run(value="no", text="no", expected="yes", score=0.0)])
    assert "\ndown on m: expected 'yes' (score 0.00)\n  'no'\n" in text


def test_a_comparison_is_one_line():
    (told,) = map(describe_comparison, compare([run(score=1.0)], {"m": {("rank", "down"): [0.0]}}))
    assert told == (
        "m: cannot tell: 0.00 before, 1.00 now, over 1 cases; the difference is +1.00; "
        "one case tells nothing of others: give more cases"
    )


@pytest.mark.parametrize("text", ["", "[]", '{"models": []}', '{"runs": [{"model": "m"}]}', '{"runs": 5}'])
def test_what_is_no_baseline_is_told(tmp_path, text):
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is no report of an evaluation"):
        read_baseline(str(path))


def test_files_that_cannot_be_read_or_written_are_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_baseline(str(tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match="cannot write"):
        write_report(str(tmp_path / "none" / "report.xml"), "")
