"""`declarai-like eval`: repeats, baselines, judges and reports."""

import json
import sys

import pytest

from declarai_like._cli import main
from declarai_like._cli._eval import exit_code
from declarai_like.evals import Case, Run, evaluate
from declarai_like.evals._comparison import Comparison
from declarai_like.middleware import InMemoryCache
from declarai_like.testing import text_reply

TASKS = '''
import declarai_like as declarai
from declarai_like import BaseLLM, LLMResponse, register_llm
from declarai_like.evals import scored_by
from declarai_like.testing import FakeLLM


@register_llm(provider="scripted")
class Scripted(BaseLLM):
    """Knows what is right; as `varying` it is wrong about every third question."""

    asked = 0

    def predict(self, messages, stream=False, **params):
        Scripted.asked += 1
        if self.model == "down":
            raise declarai.errors.BadRequestError("it is down")
        is_right = self.model == "good" or (self.model == "varying" and Scripted.asked % 3)
        return LLMResponse(response=("5" if "down" in messages[-1].message else "1") if is_right else "2")


judge = FakeLLM(["true"] * 500)


def rank(message: str) -> int:
    """Rank the message

    >>> rank("down")
    5
    >>> rank("typo")
    1
    """

good, bad, varying, down = (declarai.Declarai("scripted", name).task(rank) for name in ("good", "bad", "varying", "down"))


@judge.task
def is_right(value: int, expected: int) -> bool:
    """Is {value} right?"""


@judge.task
def is_as_good(value: int, expected: int) -> bool:
    """Is {value} as good as {expected}?

    >>> is_as_good(1, 1)
    True
    >>> is_as_good(2, 5)
    False
    """


@scored_by(is_as_good)
@declarai.Declarai("scripted", "bad").task
def judged(message: str) -> int:
    """Rank the message

    >>> judged("down")
    5
    """
'''


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluated.py").write_text(TASKS)
    return tmp_path


def report(capsys, *arguments):
    assert main(["eval", *arguments, "--concurrency", "1", "--json"]) == 0
    return capsys.readouterr().out


def test_a_score_never_stands_without_its_interval(capsys):
    told = json.loads(report(capsys, "evaluated.py:varying", "--runs", "3"))["models"][0]
    low, high = told["interval"]
    assert low < told["score"] < high
    assert (told["worst"], told["best"]) == (0, 1)
    assert main(["eval", "evaluated.py:good"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("1.00   1.00   0.34 to 1.00")


def test_asking_goes_on_until_the_score_is_known_well_enough(capsys):
    told = json.loads(report(capsys, "evaluated.py:good", "--until", "0.1"))["models"][0]
    low, high = told["interval"]
    assert high - low <= 0.2
    assert told["runs"] == 2 * 8
    told = json.loads(report(capsys, "evaluated.py:good", "--until", "0.01", "--max-runs", "3"))["models"][0]
    assert told["runs"] == 6


def test_a_baseline_says_whether_it_is_worse(capsys, place):
    (place / "old.json").write_text(report(capsys, "evaluated.py:good", "--runs", "5"))
    assert main(["eval", "evaluated.py:bad", "--runs", "5", "--baseline", "old.json"]) == 1
    assert "worse: 1.00 before, 0.00 now, over 2 cases; the difference is -1.00" in capsys.readouterr().out
    (place / "bad.json").write_text(report(capsys, "evaluated.py:bad", "--runs", "5"))
    told = json.loads(report(capsys, "evaluated.py:good", "--runs", "5", "--baseline", "bad.json"))
    assert [comparison["verdict"] for comparison in told["comparisons"]] == ["better"]
    assert main(["eval", "evaluated.py:bad", "--runs", "5", "--baseline", "old.json", "--margin", "1"]) == 0


def test_reports_are_written(capsys, place):
    files = ["--junit", "out.xml", "--markdown", "out.md", "--html", "out.html"]
    assert main(["eval", "evaluated.py:bad", *files]) == 0
    assert (place / "out.xml").read_text().count("<failure") == 2
    assert (place / "out.md").read_text().startswith("| model | runs | score | 95 % interval |")
    assert (place / "out.html").read_text().startswith("<!doctype html>")


def test_a_judge_is_named_with_its_cost_and_its_agreement(capsys):
    assert main(["eval", "evaluated.py:judged"]) == 0
    assert (
        "judged by is_as_good on fake:fake: Cohen's kappa on its own examples is 0.00; its cost, which is no part of the "
        "table, is not known" in capsys.readouterr().out
    )
    assert main(["eval", "evaluated.py:bad", "--scorer", "evaluated.py:is_right"]) == 0
    assert "judged by is_right on fake:fake: it has no examples of its own" in capsys.readouterr().out
    told = json.loads(report(capsys, "evaluated.py:judged"))
    assert told["judges"] == {"is_as_good on fake:fake": 0}
    assert told["runs"][0]["judge"] == "is_as_good on fake:fake"


def test_a_model_that_cannot_be_asked_is_told_apart_from_a_bad_one(capsys):
    assert main(["eval", "evaluated.py:down"]) == 2
    assert "could not be asked: it is down" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("score", "verdict", "is_low", "code"),
    [(1.0, "better", False, 0), (1.0, "worse", False, 1), (0.0, "cannot tell", True, 1), (None, "worse", True, 2)],
)
def test_exit_code_tells_what_came_of_it(score, verdict, is_low, code):
    run = Run(task="t", case=Case({}, 1), llm="m", score=score)
    changed = Comparison(llm="m", cases=1, before=1, after=1, difference=0, interval=None, verdict=verdict)
    assert exit_code([run], [changed], is_low=is_low) == code


SERVED = '''
import os

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini", openai_token="sk-canary", base_url=os.environ["SERVER"], max_retries=0)


@llm.task
def rank(message: str) -> int:
    """Rank the message

    >>> rank("down")
    5
    >>> rank("typo")
    1
    """
'''


@pytest.fixture
def served(place, server, monkeypatch):
    """A task that asks the scripted server, and a cache directory of its own."""
    (place / "served.py").write_text(SERVED)
    monkeypatch.setenv("SERVER", server.base_url)
    monkeypatch.setenv("DECLARAI_LIKE_CACHE", str(place / "kept" / "here"))
    monkeypatch.delitem(sys.modules, "served", raising=False)
    return server


def answers(server, *words):
    server.enqueue(*(text_reply(json.dumps({"declarai_result": word})) for word in words))


def test_answers_are_kept_for_the_next_evaluation(served, capsys, place):
    answers(served, 5, 2, 5, 1)
    told = json.loads(report(capsys, "served.py", "--runs", "2"))
    assert [run["cached"] for run in told["runs"]] == [False] * 4
    kept = json.loads(report(capsys, "served.py", "--runs", "2"))
    assert [run["value"] for run in kept["runs"]] == [5, 2, 5, 1]  # each run of a case has its own answer
    assert len(served.requests) == 4
    assert [model["score"] for model in kept["models"]] == [model["score"] for model in told["models"]]
    assert (kept["models"][0]["seconds"], kept["models"][0]["cost"]) == (None, told["models"][0]["cost"])
    assert main(["eval", "served.py", "--runs", "2"]) == 0
    assert "4 of 4 answers were kept from evaluations of the last week: --fresh asks anew" in capsys.readouterr().out
    assert (place / "kept" / "here" / "evals.db").stat().st_mode & 0o777 == 0o600
    assert b"canary" not in (place / "kept" / "here" / "evals.db").read_bytes()


def test_more_runs_ask_only_for_the_new_ones(served, capsys):
    answers(served, 5, 1)
    report(capsys, "served.py")
    answers(served, 2, 2)
    told = json.loads(report(capsys, "served.py", "--runs", "2"))
    assert [(run["value"], run["cached"]) for run in told["runs"]] == [(5, True), (2, False), (1, True), (2, False)]


def test_fresh_asks_anew(served, capsys):
    answers(served, 5, 1)
    report(capsys, "served.py")
    answers(served, 4, 2)
    told = json.loads(report(capsys, "served.py", "--fresh"))
    assert [(run["value"], run["cached"]) for run in told["runs"]] == [(4, False), (2, False)]


def test_a_cache_that_cannot_be_written_is_done_without(served, capsys, place):
    (place / "kept").write_text("a file where the directory would be")
    for _ in range(2):
        answers(served, 5, 1)
        report(capsys, "served.py")
    assert len(served.requests) == 4


def test_an_answer_that_is_none_is_not_kept(served, capsys):
    answers(served, "many", 1, 5)
    report(capsys, "served.py")
    told = json.loads(report(capsys, "served.py"))
    assert [(run["value"], run["cached"]) for run in told["runs"]] == [(5, False), (1, True)]


def test_a_cache_may_be_given(openai, server):
    task = openai().task(ranked)
    server.enqueue(text_reply('{"declarai_result": 5}'))
    store = InMemoryCache()
    first, second = (evaluate(task, cache=store) for _ in range(2))
    assert (first[0].cached, second[0].cached) == (False, True)
    assert second[0].score == 1


def ranked(message: str) -> int:
    """Rank the message

    >>> ranked("down")
    5
    """
