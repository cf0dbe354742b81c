"""Evaluations: the cases of a task, how answers are scored, what runs tell, and what they amount to."""

import asyncio
import sys
from types import SimpleNamespace

import pytest
from typing_extensions import TypedDict

import declarai_like as declarai
from declarai_like._values.prices import price
from declarai_like.completions import Usage
from declarai_like.errors import ConfigurationError, DefinitionError
from declarai_like.evals import Case, Run, aevaluate, cases_of, evaluate, matches, read_cases, scored_by, summarise
from declarai_like.evals._runs import jobs, perform
from declarai_like.evals._scores import score_of, scorer_of
from declarai_like.providers.base import BaseLLM, PredictingProvider
from declarai_like.responses import LLMResponse
from declarai_like.testing import error_reply, text_reply

USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


class Scripted(BaseLLM):
    """Answers what a function makes of the messages, and keeps what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked, self.now, self.most = answer, [], 0, 0

    async def apredict(self, messages, stream=False, **params):  # noqa: FBT002 - the signature of predict
        self.asked.append(messages)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return LLMResponse(response=self.answer(messages), usage=USAGE)


def model(answer, name="scripted"):
    llm = Scripted(answer if callable(answer) else lambda _: answer)
    return declarai.Declarai.of(PredictingProvider(llm, name=name, model="one", streaming=False))


def asked(llm):
    return [[message.message for message in messages] for messages in llm.llm.llm.asked]


class Pet(TypedDict):
    name: str
    age: float


def ranking(llm, **options):
    @llm.task(**options)
    def rank(message: str, times: int = 1) -> int:
        """Rank the severity of a message

        >>> rank("server down")
        5
        >>> rank("typo", times=2)
        1
        """

    return rank


# --- cases -----------------------------------------------------------------------------------------------------


def test_examples_are_cases():
    assert cases_of(ranking(model("5"))) == (
        Case({"message": "server down"}, 5, 'rank("server down")'),
        Case({"message": "typo", "times": 2}, 1, 'rank("typo", times=2)'),
    )


@pytest.mark.parametrize(
    ("case", "title"),
    [
        (Case({"message": "a"}, 1), "rank(message='a')"),
        (Case({}, 1, name="two\n lines"), "two lines"),
        (Case({"message": "x" * 80}, 1), "rank(message='" + "x" * 43 + "..."),
    ],
)
def test_case_has_a_title_of_one_short_line(case, title):
    assert case.title("rank") == title


def test_cases_are_read_from_lines_of_json(tmp_path):
    (tmp_path / "cases.jsonl").write_text(
        '{"arguments": {"message": "é"}, "expected": null}\n\n{"arguments": {}, "expected": 1, "name": "n", "task": "rank"}\n',
        encoding="utf-8",
    )
    assert read_cases(tmp_path / "cases.jsonl") == (Case({"message": "é"}, None), Case({}, 1, "n", "rank"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", r"cases\.jsonl:1: this is no case"),
        ("5", r"cases\.jsonl:1: this is no case"),
        ('{"arguments": {}}', r"cases\.jsonl:1: a case needs 'expected'"),
        ('{"expected": 1}', r"cases\.jsonl:1: this is no case"),
        ('{"arguments": [1], "expected": 1}', r'expected "arguments" by name, got \[1\]'),
        ('{"arguments": {}, "expected": 1, "answer": 2}', r"this is no case: .*answer"),
        ('{"arguments": {}, "calls": ["find"]}', r'cases\.jsonl:1: .*expected a call {"tool": name.*got \'find\''),
        ('{"arguments": {}, "calls": [{"arguments": {}}]}', r"expected a call"),
        ('{"arguments": {}, "calls": [{"tool": "f", "args": {}}]}', r"expected a call"),
    ],
)
def test_what_is_no_case_is_refused_with_its_line(tmp_path, line, complaint):
    (tmp_path / "cases.jsonl").write_text(line)
    with pytest.raises(ConfigurationError, match=complaint):
        read_cases(tmp_path / "cases.jsonl")


def test_missing_file_of_cases_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_cases(tmp_path / "none.jsonl")


def test_case_is_left_out_of_its_own_prompt():
    llm = model("5")
    evaluate(ranking(llm))
    first, second = ["\n".join(messages) for messages in asked(llm)]
    assert (first.count("server down"), first.count("typo")) == (1, 1)
    assert (second.count("server down"), second.count("typo")) == (1, 1)


def test_case_of_a_file_that_is_an_example_too_is_left_out():
    llm = model("5")
    evaluate(ranking(llm), [Case({"times": 1, "message": "server down"}, 5)])
    assert "\n".join(asked(llm)[0]).count("server down") == 1


def test_other_cases_are_shown_all_examples():
    llm = model("5")
    evaluate(ranking(llm), [Case({"message": "other"}, 5)])
    assert [text for text in asked(llm)[0] if text in ("5", "1")] == ["5", "1"]


def test_arguments_of_every_kind_are_given_by_name():
    llm = model("3")

    @llm.task
    def add(first: int, /, *rest: int, base: int = 10, **named: int) -> int:
        """Add up

        >>> add(1, 2, base=2, other=4)
        3
        """

    (run,) = evaluate(add)
    assert (run.score, run.case.arguments) == (1.0, {"first": 1, "rest": (2,), "base": 2, "named": {"other": 4}})
    (run,) = evaluate(add, [Case({"first": 1, "other": 4}, 3)])
    assert run.score == 1.0


def test_arguments_that_do_not_fit_are_refused_before_anything_is_asked():
    llm = model("5")
    with pytest.raises(TypeError, match="none"):
        evaluate(ranking(llm), [Case({"message": "a", "none": 1}, 5)])
    with pytest.raises(TypeError, match="message"):
        evaluate(ranking(llm), [Case({}, 5)])
    assert asked(llm) == []


def test_answer_that_the_task_cannot_return_is_refused():
    with pytest.raises(ConfigurationError, match=r"rank: the case .* expects what the task cannot return"):
        evaluate(ranking(model("5")), [Case({"message": "a"}, "high")])


def test_expected_data_becomes_the_declared_type():
    llm = model('{"declarai_result": ["a", "b"]}')

    @llm.task
    def tags(text: str) -> set[str]:
        """Tag the text"""

    plain, typed = evaluate(tags, [Case({"text": "x"}, ["b", "a"]), Case({"text": "x"}, {"a", "b"})])
    assert [(run.expected, run.score) for run in (plain, typed)] == [({"a", "b"}, 1.0)] * 2


# --- scores ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected", "tolerance", "is_match"),
    [
        (5, 5, 0, True),
        (5, 4, 0, False),
        (" yes\n", "yes", 0, True),
        ("Yes", "yes", 0, False),
        (5, 4, 1, True),
        (0.3, 0.2, 0.1, True),
        (5, 3.9, 1, False),
        (True, False, 1, False),
        ([1, "a"], [2, "a"], 1, True),
        ([1], [1, 2], 1, False),
        ({"a": 1.5}, {"a": 1}, 0.5, True),
        ({"a": 1.5}, {"b": 1}, 0.5, False),
        (Case({"n": 1}, 2), Case({"n": 1.5}, 2), 1, True),
    ],
)
def test_answers_match(value, expected, tolerance, is_match):
    assert matches(value, expected, tolerance=tolerance) is is_match


def half(value, expected):
    return 0.5


def test_scorer_may_be_given():
    assert [run.score for run in evaluate(ranking(model("5")), scorer=half)] == [0.5, 0.5]


def test_scorer_may_stand_above_and_below_the_task():
    llm = model("5")
    rank = ranking(llm)
    assert scorer_of(rank) is None
    assert scorer_of(scored_by(half)(rank)) is half
    below = llm.task(scored_by(half)(ranking(llm).__wrapped__))
    assert [run.score for run in evaluate(below)] == [0.5, 0.5]


def test_tolerance_is_for_numbers():
    assert [run.score for run in evaluate(ranking(model("4")), tolerance=1)] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("scorer", "complaint"),
    [
        (lambda value, expected: "good", "the scorer of rank failed: ValueError"),
        (lambda value, expected: float("nan"), "the scorer of rank gave nan"),
        (lambda value: 1, "the scorer of rank failed: TypeError"),
    ],
)
def test_scorer_that_gives_no_score_is_told(scorer, complaint):
    with pytest.raises(DefinitionError, match=complaint):
        score_of(scorer, 1, 1, "rank")


# --- runs ------------------------------------------------------------------------------------------------------


def test_run_tells_what_came():
    first, second = evaluate(ranking(model("5")))
    assert (first.scenario, first.llm, first.value, first.expected, first.text) == (
        'rank("server down")',
        "scripted:one",
        5,
        5,
        "5",
    )
    assert (first.score, second.score, first.error) == (1.0, 0.0, None)
    assert (first.input_tokens, first.output_tokens, first.cost) == (10, 2, None)
    assert first.seconds > 0


def test_models_are_compared_and_runs_repeated():
    other = model("1", name="other")
    runs = evaluate(ranking(model("5")), llms=["two", other], runs=2)
    assert [(run.llm, run.score) for run in runs] == [
        *[("scripted:two", 1.0)] * 2,
        *[("scripted:two", 0.0)] * 2,
        *[("other:one", 0.0)] * 2,
        *[("other:one", 1.0)] * 2,
    ]


def test_model_that_a_task_names_is_not_asked_of_another_provider():
    runs = evaluate(ranking(model("5"), model="mine"), llms=[model("1", name="other")])
    assert {run.llm for run in runs} == {"other:one"}


def test_so_many_calls_are_made_at_a_time():
    llm = model("5")
    evaluate(ranking(llm), runs=6, concurrency=3)
    assert llm.llm.llm.most == 3


def test_progress_hears_each_run():
    heard = []
    planned = jobs(ranking(model("5")))
    asyncio.run(perform(planned, concurrency=1, progress=lambda *step: heard.append(step)))
    assert heard == [(1, 2), (2, 2)]


def test_answer_of_another_type_scores_nothing_and_is_shown():
    run, _ = evaluate(ranking(model("high")))
    assert (run.score, run.text, type(run.error).__name__, run.is_unanswered) == (0.0, "high", "OutputError", False)
    assert (run.input_tokens, run.output_tokens) == (10, 2)


def test_tokens_of_all_tries_count():
    answers = iter(["high", "5"])
    run = evaluate(ranking(model(lambda _: next(answers)), retries=1), [Case({"message": "a"}, 5)])[0]
    assert (run.score, run.input_tokens, run.output_tokens) == (1.0, 20, 4)


def test_model_that_cannot_be_asked_has_no_score(openai, server):
    server.enqueue(error_reply(500, "down"), text_reply("5"))
    down, up = evaluate(ranking(openai()), [Case({"message": "a"}, 5)], runs=2, concurrency=1)
    assert (down.score, down.is_unanswered, down.input_tokens, down.cost) == (None, True, None, None)
    assert "down" in str(down.error)
    assert (up.score, up.input_tokens) == (1.0, None)


@pytest.mark.parametrize("streaming", [True, False])
def test_every_kind_of_task_is_asked(streaming):
    llm = model("5")

    @llm.task(streaming=streaming)
    async def rank(message: str) -> int:
        """Rank

        >>> await rank("down")
        5
        """

    assert [run.score for run in evaluate(rank)] == [1.0]
    assert [run.score for run in evaluate(ranking(llm, streaming=streaming))] == [1.0, 0.0]


def test_method_is_asked_without_an_instance():
    llm = model("5")

    class Team:
        @llm.task
        def rank(self, message: str) -> int:
            """Rank

            >>> rank("down")
            5
            """

    assert [run.score for run in evaluate(Team.rank)] == [1.0]


def test_evaluation_is_awaited_in_a_loop():
    async def evaluating():
        return await aevaluate(ranking(model("5")))

    assert [run.score for run in asyncio.run(evaluating())] == [1.0, 0.0]


@pytest.mark.local_model
def test_embedded_model_is_evaluated():
    llm = declarai.local(llm_params={"max_tokens": 8, "temperature": 0.0})
    (first, _) = runs = evaluate(ranking(llm), runs=1, concurrency=2)
    assert all(0 <= run.score <= 1 and run.input_tokens > 10 and run.cost is None for run in runs)
    assert first.llm == f"local:{llm.llm.model}"


# --- prices ----------------------------------------------------------------------------------------------------


@pytest.fixture
def prices(monkeypatch):
    """A price list in the form of the package `genai-prices`: a cent a token, one model."""

    def calc_price(usage, model_ref, *, provider_id):
        if (model_ref, provider_id) != ("one", "azure"):
            raise LookupError(model_ref)
        return SimpleNamespace(
            total_price=(usage.input_tokens + usage.output_tokens - (usage.cache_read_tokens or 0)) / 100
        )

    monkeypatch.setitem(sys.modules, "genai_prices", SimpleNamespace(Usage=SimpleNamespace, calc_price=calc_price))


@pytest.mark.usefixtures("prices")
@pytest.mark.parametrize(
    ("provider", "usages", "expected"),
    [
        ("azure-openai", [Usage(10, 2), Usage(8, 0)], 0.2),
        ("azure-openai", [Usage(10, 2, 12, {"prompt_tokens_details": {"cached_tokens": 7}})], 0.05),
        ("azure-openai", [Usage(10, 2), None], None),
        ("azure-openai", [Usage(10)], None),
        ("azure-openai", [Usage(None, 2)], None),
        ("local", [Usage(10, 2)], None),
    ],
)
def test_price_is_told_where_it_is_known(provider, usages, expected):
    assert price(provider, "one", usages) == pytest.approx(expected)


def test_nothing_has_a_price_without_a_price_list(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert price("azure-openai", "one", [Usage(10, 2)]) is None


@pytest.mark.usefixtures("prices")
def test_run_tells_its_cost():
    assert evaluate(ranking(model("5", name="azure-openai")))[0].cost == pytest.approx(0.12)


# --- sums ------------------------------------------------------------------------------------------------------


def run(score, llm="m", name="a", **told):
    return Run(task="rank", case=Case({}, 1, name=name), llm=llm, score=score, **told)


def test_runs_are_summed_up_by_model():
    known = {"input_tokens": 10, "output_tokens": 2, "cost": 0.5}
    row, other = summarise([run(1, seconds=1.0, **known), run(0, seconds=3.0, **known), run(0.5, "n")])
    assert (row.llm, row.runs, row.seconds, row.score, row.unanswered) == ("m", 2, 2.0, 0.5, 0)
    assert (row.input_tokens, row.output_tokens, row.cost) == (20, 4, 1.0)
    assert (other.input_tokens, other.output_tokens, other.cost) == (None, None, None)


def test_what_is_unknown_of_one_run_is_unknown_of_all():
    (row,) = summarise([run(1, cost=0.5, input_tokens=1, output_tokens=1), run(None)])
    assert (row.cost, row.input_tokens, row.output_tokens, row.score, row.unanswered) == (None, None, None, 1, 1)
    assert summarise([run(None)])[0].score is None


def test_runs_are_summed_up_by_scenario():
    rows = summarise([run(1, name="a"), run(0, name="b"), run(0, name="a")], by_scenario=True)
    assert [(row.scenario, row.runs, row.score) for row in rows] == [("a", 2, 0.5), ("b", 1, 0.0)]


def test_a_run_that_ends_at_a_limit_or_waits_for_approval_ends_itself_alone():
    @declarai.tool(approve=True)
    def call_the_night_shift() -> str:
        """Wake somebody"""

    from declarai_like.testing import FakeLLM, tool_call

    @FakeLLM([tool_call("call_the_night_shift", {}), "2"]).task(tools=[call_the_night_shift])
    def rank(message: str) -> int:
        """Rank the severity

        >>> rank("server down")
        5
        >>> rank("typo")
        2
        """

    runs = evaluate(rank, concurrency=1)
    assert [type(run.error).__name__ for run in runs] == ["ApprovalRequired", "NoneType"]
    assert [run.is_unanswered for run in runs] == [True, False]


def test_a_prompt_that_is_too_long_is_that_run_s_alone():
    llm = model("2")
    rank = ranking(llm, max_prompt_chars=10)
    runs = evaluate(rank)
    assert {type(run.error).__name__ for run in runs} == {"LimitExceeded"}
    assert all(run.is_unanswered for run in runs)
