"""The cases of answers, the options of reading, and what a model is shown of its mistakes."""

import json
import os
import shutil
from enum import Enum
from pathlib import Path

import pytest
from outputs.answers import OWN, judge, main, read_cases
from pydantic import BaseModel

from declarai_like._outputs.output import Output
from declarai_like._outputs.reasoning import ReasoningSplitter
from declarai_like.errors import DefinitionError, OutputError
from declarai_like.testing import FakeLLM, chunks, cut

OTHERS = Path(os.environ.get("DECLARAI_ANSWERS", "answers.json"))


class Halt(BaseModel):
    place: str
    minutes: int


@pytest.mark.parametrize("case", read_cases(), ids=lambda case: case.id)
def test_answer_is_read_as_a_person_would_or_refused(case):
    verdict, words = judge(case)

    assert verdict == "right", words


@pytest.mark.skipif(not OTHERS.is_file(), reason="DECLARAI_ANSWERS names no other file of cases")
def test_answers_of_another_file_are_never_wrong():
    judged = [judge(case) for case in read_cases(OTHERS)]

    assert [words for verdict, words in judged if verdict == "wrong"] == []
    assert sum(verdict == "right" for verdict, _ in judged) >= 0.97 * len(judged)


def test_table_of_answers_is_printed(capsys, monkeypatch, tmp_path):
    few = {"cases": json.loads(OWN.read_text("utf-8"))["cases"][:20]}  # `make answers` asks all of them
    (tmp_path / "answers.json").write_text(json.dumps(few), "utf-8")
    shutil.copy(OWN.with_name("answer_types.py"), tmp_path)
    monkeypatch.setattr("sys.argv", ["answers.py", str(tmp_path / "answers.json")])

    assert main() == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["kind", "right", "error", "wrong"]


def test_model_is_shown_where_its_answer_is_wrong():
    llm = FakeLLM(['{"place": "Quay",\n "minutes": ??}', '{"place": "Quay", "minutes": 3}'])

    def halt(text: str) -> Halt:
        """Find the halt in {text}"""

    result = llm.task(retries=2)(halt).run("the quay")

    assert result.value == Halt(place="Quay", minutes=3)
    assert "line 2, column 13: expected a value, got '?'" in result.messages[-1].message


def test_strict_reading_is_an_option_of_provider_and_task():
    text = '{"place": "Quay", "minutes": 3,}'

    def halt(text: str) -> Halt:
        """Find the halt"""

    assert FakeLLM([text]).task(halt)("?").minutes == 3
    for task in (FakeLLM([text], reading="strict").task(halt), FakeLLM([text]).task(reading="strict")(halt)):
        with pytest.raises(OutputError, match="exact JSON"):
            task("?")
    with pytest.raises(DefinitionError, match="reading"):
        FakeLLM().task(reading="loose")(halt)


def test_reasoning_tags_of_a_text_can_be_left_alone():
    text = "<think>Hm.</think>\nYes."

    def say(text: str) -> str:
        """Say it"""

    assert FakeLLM([text]).task(say)("?") == "Yes."
    assert FakeLLM([text]).task(reasoning_tags=False)(say)("?") == text


def test_thinking_streams_as_reasoning():
    def say(text: str) -> str:
        """Say it"""

    with FakeLLM([chunks("<th", "ink>H", "m.</thi", "nk>\n", "Y", "es.")]).task(say).stream("?") as stream:
        told = [(event.type, event.delta) for event in stream if event.type.endswith(".delta")]

    assert told == [
        ("reasoning.delta", "H"),
        ("reasoning.delta", "m."),
        ("content.delta", "Y"),
        ("content.delta", "es."),
    ]


def test_words_that_were_held_back_are_there_when_a_stream_breaks():
    def halt(text: str) -> Halt:
        """Find the halt"""

    with pytest.raises(Exception) as caught:
        list(FakeLLM([cut("Well, the halt")]).task(streaming=True)(halt)("?"))

    assert caught.value.response.response.startswith("Well, the halt")


@pytest.mark.parametrize(
    ("typed", "text", "parts"),
    [
        (False, "Plain.", ("Plain.", "")),
        (False, "  <think>a</think>  b", ("  b", "a")),
        (False, "<think>a", ("", "a")),
        (False, "<thi", ("<thi", "")),
        (False, "[THINK]a[/THINK]b", ("b", "a")),
        (False, "a </think> b", ("a </think> b", "")),
        (True, 'a </think> {"b": 1}', ('{"b": 1}', "a ")),
        (True, 'see {"a": "</think>"}', ('see {"a": "</think>"}', "")),
        (True, "well <think>a", ("well ", "a")),
        (True, "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|message|>b", ("b", "a")),
    ],
)
def test_thinking_is_parted_however_the_text_is_cut(typed, text, parts):
    for size in (1, 3, 100):
        splitter = ReasoningSplitter(typed=typed)
        pieces = [splitter.feed(text[place : place + size]) for place in range(0, len(text), size)]
        pieces.append(splitter.finish())
        assert tuple("".join(each) for each in zip(*pieces, strict=True)) == parts


class Weather(Enum):
    SUN = "sun"
    RAIN = "rain"


def test_documented_description_names_a_member():
    Weather.SUN.__doc__ = "no clouds"

    assert Output.of(Weather).parse("No clouds.").value is Weather.SUN
