"""The comparison with other clients: its checks, and the report made from results that are there already."""

import copy
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "benchmarks" / "peers"
RESULTS = json.loads((PEERS / "results.json").read_text("utf-8"))
MODULES = ("adapters", "cases", "payloads", "plots", "report", "run", "environments", "server", "serve", "worker")


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the benchmark as its scripts do; before and afterwards none of them is loaded."""

    def loaded():
        return [name for name in sys.modules if name.partition(".")[0] in MODULES]

    monkeypatch.setattr(sys, "path", [str(PEERS), str(ROOT / "benchmarks"), *sys.path])
    for name in loaded():  # other tests have a `serve`, too
        monkeypatch.delitem(sys.modules, name)
    yield importlib.import_module
    for name in loaded():
        del sys.modules[name]


@pytest.fixture
def results():
    return copy.deepcopy(RESULTS)


def rows_of(table):
    """Give the cells of a table's body, by the first one of each row."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}


def test_results_are_of_a_full_run_of_all_clients(bench, results):
    assert list(results["peers"]) == list(bench("adapters").NAMES)
    assert results["rounds"] >= 3
    assert not results["quick"]


def test_every_case_has_a_row_and_every_client_a_column(bench, results):
    report, cases = bench("report"), bench("cases")
    table = report.ratio_table(results)
    assert list(rows_of(table)) == [report.full(case) for case in cases.CASES]
    assert all(peer["title"] in table.splitlines()[0] for peer in results["peers"].values())


def test_official_client_is_one_in_every_row(bench, results):
    report = bench("report")
    column = list(results["peers"]).index("official")
    assert {row[column].strip("*") for row in rows_of(report.ratio_table(results)).values()} == {"1.00"}


def test_lowest_ratio_is_bold(bench, results):
    results["cases"]["text-1000"]["litellm"]["ratios"] = [0.001]
    row = rows_of(bench("report").ratio_table(results))["text, per chunk of 1,000"]
    assert [cell for cell in row if "**" in cell] == ["**0.001**"]


def test_wrong_client_is_shown_as_wrong_not_as_fast(bench, results):
    report = bench("report")
    results["cases"]["text-1000"]["magentic"] = {"figures": [1e-9], "ratios": [0.00001], "wrong": "999 chunks"}
    column = list(results["peers"]).index("magentic")
    for table in (report.ratio_table(results), report.short_table(results)):
        assert "**wrong**" in table
    assert rows_of(report.ratio_table(results))["text, per chunk of 1,000"][column] == "**wrong**"
    assert report.best(results, "text-1000") == "ours"
    assert "magentic is **wrong** in text, per chunk of 1,000: 999 chunks." in report.setting(results)


def test_failed_client_is_shown_as_failed(bench, results):
    report = bench("report")
    results["cases"]["partials-5000"]["mirascope"] = {"figures": [], "ratios": [], "failed": "it took too long"}
    assert rows_of(report.growth_table(results))["mirascope"][2] == "**failed**"


def test_row_in_which_we_are_not_ahead_says_why(bench, results):
    report, cases = bench("report"), bench("cases")
    verdicts = rows_of(report.verdict_table(results))
    for case in cases.CASES:
        ahead, told = verdicts[report.full(case)]
        assert ahead in ("declarai-like", "even") or told.endswith(f": {case.why}")
    assert "not explained yet" not in report.verdict_table(results)


def test_row_without_a_reason_is_told_as_unexplained(bench, results):
    results["cases"]["text-1000"]["litellm"]["ratios"] = [0.001]
    assert rows_of(bench("report").verdict_table(results))["text, per chunk of 1,000"] == [
        "litellm",
        f"litellm 0.001, ours {bench('report').shown(results, 'text-1000', 'ours')}: not explained yet",
    ]


@pytest.mark.parametrize(
    ("factor", "word"), [(0.9, "linear"), (1.2, "linear"), (2.0, "quadratic, 62%"), (5.0, "quadratic, 100%")]
)
def test_growth_with_the_length_is_named(bench, results, factor, word):
    for key, figure in (("partials-100", 1e-5), ("partials-1000", 1e-5), ("partials-5000", factor * 1e-5)):
        results["cases"][key]["helper"]["figures"] = [figure]
    assert rows_of(bench("report").growth_table(results))["openai `.stream()`"][4] == word


def test_short_table_has_a_row_for_each_other_client(bench, results):
    report, cases = bench("report"), bench("cases")
    rows = rows_of(report.short_table(results))
    assert list(rows) == [peer["title"] for name, peer in results["peers"].items() if name != "official"]
    assert {len(row) for row in rows.values()} == {len(cases.README)}


def test_page_is_the_one_of_the_results(bench, results):
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert bench("report").filled(page, bench("report").parts(results)) == page


def test_only_what_stands_between_markers_is_replaced(bench):
    page = "before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\nkept\n<!-- /b -->\n"
    filled = bench("report").filled(page, {"a": r"new \1", "c": "nowhere"})
    assert filled == "before\n<!-- a -->\n\nnew \\1\n\n<!-- /a -->\nbetween\n<!-- b -->\nkept\n<!-- /b -->\n"


def test_page_plots_and_readme_are_written(bench, results, tmp_path):
    pytest.importorskip("matplotlib")
    report, (docs, readme) = bench("report"), (tmp_path / "docs", tmp_path / "README.md")
    docs.mkdir()
    (docs / "benchmarks.md").write_text("<!-- bench:ratios -->\n<!-- /bench:ratios -->\n", "utf-8")
    readme.write_text("<!-- peers -->\n<!-- /peers -->\n", "utf-8")

    report.write(results, tmp_path)
    assert report.ratio_table(results) in (docs / "benchmarks.md").read_text("utf-8")
    assert readme.read_text("utf-8") == "<!-- peers -->\n<!-- /peers -->\n"
    drawn = {path.name: path.read_text("utf-8") for path in (docs / "images").iterdir()}
    assert sorted(drawn) == ["bench-growth.svg", "bench-memory.svg", "bench-ratios.svg"]
    assert all("declarai-like" in text and str(ROOT) not in text for text in drawn.values())

    report.write(results, tmp_path, readme=True)
    assert report.short_table(results) in readme.read_text("utf-8")
    assert {path.name: path.read_text("utf-8") for path in (docs / "images").iterdir()} == drawn


def test_results_name_no_place_of_this_machine(bench):
    assert not re.search(r"/(home|root|work|tmp|Users)/", json.dumps(RESULTS))


def test_rounds_become_ratios_within_the_round(bench):
    rounds = [
        {"call-str": {"official": {"figure": 2.0}, "ours": {"figure": 1.0}}},
        {"call-str": {"official": {"figure": 4.0}, "ours": {"figure": 3.0, "seen": 7}, "litellm": {"wrong": "it"}}},
    ]
    assert bench("run").gathered(rounds)["call-str"] == {
        "official": {"figures": [2.0, 4.0], "ratios": [1.0, 1.0]},
        "ours": {"figures": [1.0, 3.0], "ratios": [0.5, 0.75], "seen": 7},
        "litellm": {"figures": [], "ratios": [], "wrong": "it"},
    }


class Client:
    """Shows what it is given, whatever was asked for."""

    def __init__(self, pieces):
        self.pieces = pieces

    def stream(self, model):
        return iter(self.pieces)

    def piece(self, chunk):
        return chunk

    def partials(self, model):
        from documents import Doc
        from payloads import text_of

        for count in self.pieces:
            yield Doc.model_validate_json(text_of(model)).items[:count]

    def items(self, value):
        return value

    def sent(self, model):
        return 100


def test_worker_accepts_a_whole_text(bench):
    pieces = bench("payloads").pieces_of("text-1000")
    reply = bench("worker").answer(Client(["", *pieces]), "text-1000", 0.001)
    assert reply["seen"] == 1000
    assert reply["figure"] >= 0


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda pieces: pieces[:-1], "the text differs"),
        (lambda pieces: pieces[:500] + pieces[501:], "the text differs"),
        (lambda pieces: [*pieces[:500], "xxxx", *pieces[501:]], "the text differs"),
        (lambda pieces: ["".join(pieces[:2]), *pieces[2:]], "999 chunks instead of 1000"),
    ],
)
def test_worker_calls_a_lost_chunk_wrong(bench, spoil, problem):
    pieces = list(bench("payloads").pieces_of("text-1000"))
    reply = bench("worker").answer(Client(spoil(pieces)), "text-1000", 0.001)
    assert problem in reply["wrong"]
    assert "figure" not in reply


def test_worker_compares_the_whole_value(bench):
    worker = bench("worker")
    assert worker.answer(Client([1, 2, None]), "partials-100", 0.001)["steps"] == 3
    assert worker.answer(Client([1, 2]), "partials-100", 0.001) == {"wrong": "the value differs"}


def test_worker_tells_an_error_of_the_client(bench):
    reply = bench("worker").answer(Client(None), "text-1000", 0.001)
    assert reply == {"failed": "TypeError: 'NoneType' object is not iterable"}


def test_worker_process_measures_this_library(bench, tmp_path):
    run = bench("run")
    with run.serving() as url:
        worker = run.Worker("ours", Path(sys.executable), url, tmp_path)
        replies = [worker.measure(case, 0.01) for case in ("call-model", "text-1000", "partials-100", "nonsense")]
        worker.close()
        after = worker.measure("call-str", 0.01)
    assert set(worker.started) == {"import", "cold", "cold-cpu"}
    assert [reply.get("seen") for reply in replies] == [None, 1000, 105, None]
    assert all(reply["figure"] > 0 for reply in replies[:3])
    assert [replies[3], after] == [{"failed": "KeyError: 'nonsense'"}, {"failed": "its process has ended"}]


def test_every_adapter_says_what_the_report_needs(bench):
    adapters, cases = bench("adapters"), bench("cases")
    for name in adapters.NAMES:
        module = adapters.adapter(name)
        assert module.TITLE
        assert module.REQUIREMENTS
        assert module.IMPORT.strip()
        assert set(module.LACKS) <= {case.key for case in cases.CASES}
        assert adapters.Peer in module.Peer.__mro__
