"""What is locked of prompts, how two locks differ, and the assertion for one prompt."""

import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from typing_extensions import TypedDict

import declarai_like as declarai
from declarai_like._cli._prompt_lock import changes, dump, is_declared, load, lock, merge_locks
from declarai_like._prompting.texts import compile_messages, format_messages
from declarai_like.errors import ConfigurationError
from declarai_like.prompts import Prompt
from declarai_like.testing import assert_prompt

llm = declarai.openai(model="gpt-4o-mini", openai_token="sk-secret", base_url="http://secret.example/v1")


@llm.task(llm_params={"temperature": 0.2, "stop": ["x"]}, retries=1)
def rank(message: str, times: int = 1) -> int:
    """Rank the severity of a message

    >>> rank("server down")
    5
    """


@llm.task(streaming=True, templates={"text": "Say: {{ description }}"})
def about(movie: str) -> str:
    """Say something about {movie}

    :return: a short text
    """


@llm.chat
class Bot:
    """You are a bot for {topic}"""

    greeting = "Hello"

    def send(self, message: str) -> list[int]: ...


@llm.chat
class Plain:
    """You are plain"""


class Recipe(llm.Prompt):
    """Recommend {ingredient}"""

    ingredient: str
    system = "You cook"
    call_params: ClassVar = {"temperature": 0.1, "model": "gpt-4o", "tools": [{"type": "function"}]}
    output_type = list[str]


class Backward(TypedDict):
    b: int
    a: int


class Lonely(Prompt):
    """No model"""


def locked(**targets):
    return lock({f"app:{name}": target for name, target in targets.items()}, ["app"])


def entry(target):
    return locked(it=target)["prompts"]["app:it"]


# --- what is locked --------------------------------------------------------------------------------------------


def test_prompt_has_a_place_for_each_argument():
    *_, last = entry(rank)["messages"]
    assert last == {
        "role": "user",
        "text": ["Rank the severity of a message", "Inputs:", "message: {message}", "times: 1", "", ""],
    }


def test_lines_join_to_the_prompt_that_is_sent():
    sent = rank.compile()["messages"]
    assert ["\n".join(message["text"]) for message in entry(rank)["messages"]] == [message.message for message in sent]


def test_task_is_locked_with_all_that_reaches_the_model():
    told = entry(rank)
    assert {
        name: told[name] for name in ("kind", "provider", "model", "parameters", "returns", "output", "retries")
    } == {
        "kind": "task",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "parameters": {"stop": ["x"], "temperature": 0.2},
        "returns": "int",
        "output": "auto",
        "retries": 1,
    }
    assert told["response_format"] == rank.request("x").response_format


def test_own_templates_are_locked():
    told = entry(about)
    assert (told["templates"], told["streaming"]) == ({"text": ["Say: {{ description }}"]}, True)
    assert "response_format" not in told


def test_chat_is_locked_by_its_system_prompt_greeting_and_reply():
    told = entry(Bot)
    assert told["messages"][0]["text"][0] == "You are a bot for {topic}"
    assert (told["kind"], told["greeting"], told["returns"]) == ("chat", ["Hello"], "list[int]")
    assert "single key named 'declarai_result'" in told["messages"][0]["text"][1]


@llm.chat
class Typed:
    """You count"""

    def send(self, message: str) -> list[int]: ...


class Silent(llm.Prompt):
    """Count to three"""

    output_type = list[int]


@pytest.mark.parametrize("target", [Plain, Typed, Silent])
def test_words_that_are_locked_are_those_that_are_sent(target):
    sent = target().compile()["messages"]
    assert ["\n".join(message["text"]) for message in entry(target)["messages"]] == [
        message.message for message in sent
    ]


def test_chat_without_a_greeting_has_none():
    assert entry(Plain).keys() & {"greeting", "response_format"} == set()


def test_class_prompt_is_locked_by_its_texts_and_parameters():
    told = entry(Recipe)
    assert [message["role"] for message in told["messages"]] == ["system", "user"]
    assert told["messages"][0]["text"][0] == "You cook"
    assert (told["model"], told["parameters"], told["tools"]) == (
        "gpt-4o",
        {"temperature": 0.1},
        [{"type": "function"}],
    )


@pytest.mark.parametrize(
    ("target", "is_one"),
    [
        (rank, True),
        (Bot, True),
        (Plain(), True),
        (Recipe, True),
        (llm.Prompt, False),
        (Lonely, False),
        (declarai.Chat, False),
        (llm, False),
        (5, False),
    ],
)
def test_only_what_has_a_model_is_locked(target, is_one):
    assert is_declared(target) is is_one


def test_keys_and_addresses_are_not_locked():
    task = llm.task(llm_params={"metadata": {"Authorization": "Bearer secret"}, "odd": object()})(rank.__wrapped__)
    told = entry(task)
    assert "secret" not in dump(locked(a=task, b=Bot, c=Recipe))
    assert told["parameters"] == {"metadata": {"Authorization": "**********"}, "odd": "<object>"}


def test_properties_keep_their_order_because_models_answer_in_it():
    @llm.task
    def pair(x: str) -> Backward:
        """Pair it"""

    schema = json.loads(dump(locked(pair=pair)))["prompts"]["app:pair"]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["b", "a"]


def test_lock_is_the_same_whatever_the_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_prompt_lock import *\n"
        "sys.stdout.write(dump(locked(rank=rank, about=about, bot=Bot, recipe=Recipe)))"
    )
    texts = {
        subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {dump(locked(recipe=Recipe, bot=Bot, about=about, rank=rank))}


# --- how it changes --------------------------------------------------------------------------------------------


def changed(**options):
    return llm.task(**options)(rank.__wrapped__)


def test_nothing_has_changed_when_all_is_the_same():
    assert changes(load(dump(locked(rank=rank, bot=Bot)), "lock"), locked(bot=Bot, rank=rank)) == []


def test_change_is_told_by_a_diff_of_the_locked_lines():
    (change,) = changes(locked(rank=rank), locked(rank=changed(llm_params={"temperature": 0.9}, retries=1)))
    assert (change.name, change.kind) == ("app:rank", "changed")
    assert change.diff.splitlines()[:2] == ["--- app:rank (locked)", "+++ app:rank (now)"]
    assert '+    "temperature": 0.9' in change.diff.splitlines()


def test_new_and_gone_prompts_are_told():
    found = changes(locked(rank=rank), locked(about=about))
    assert [(change.name, change.kind) for change in found] == [("app:about", "new"), ("app:rank", "gone")]


def test_other_words_of_the_library_are_a_change():
    older = {**locked(rank=rank), "library_templates": "sha256:0"}
    assert [change.name for change in changes(older, locked(rank=rank))] == ["library_templates"]


def test_other_modules_are_not_compared_and_stay_when_merged():
    both = lock({"app.x:rank": rank, "app:rank": rank, "apple:bot": Bot}, ["app", "apple"])
    now = lock({"app.y:rank": rank}, ["app"])
    assert [(change.name, change.kind) for change in changes(both, now)] == [
        ("app.x:rank", "gone"),
        ("app.y:rank", "new"),
        ("app:rank", "gone"),
    ]
    assert list(merge_locks(both, now)["prompts"]) == ["app.y:rank", "apple:bot"]
    assert merge_locks(both, now)["modules"] == ["app", "apple"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<<<<<<< HEAD", "lock is no prompt lock"),
        ("[]", "lock is no prompt lock"),
        ("{}", "lock is no prompt lock"),
        ('{"format": 2, "prompts": {}}', "lock has the format 2, this version knows 1"),
        ('{"format": 1, "prompts": []}', "lock has the format 1"),
    ],
)
def test_what_is_no_lock_is_refused(text, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        load(text, "lock")


# --- one prompt ------------------------------------------------------------------------------------------------

RANKED = """\
system:
respond only with the value of type int:

user:
Rank the severity of a message
Inputs:
message: server down
times: 1

assistant:
5

user:
Rank the severity of a message
Inputs:
message: typo
times: 1
"""


def test_prompt_that_is_as_expected_passes():
    assert_prompt(rank, RANKED, message="typo")


def test_inline_snapshot_may_be_indented():
    assert_prompt(
        about,
        """
        system:
        Say: a short text

        user:
        Say something about {movie}
        """,
    )


def test_changed_prompt_fails_with_a_diff():
    with pytest.raises(AssertionError) as failed:
        assert_prompt(rank, RANKED, message="crash")
    message = str(failed.value)
    assert message.startswith("the prompt of rank is not its snapshot; if that is meant, change the text there:\n")
    assert message.splitlines()[-3:] == ["-message: typo", "+message: crash", " times: 1"]


def test_file_that_is_as_expected_passes(tmp_path):
    (tmp_path / "rank.txt").write_text(RANKED, newline="\n")
    assert_prompt(rank, tmp_path / "rank.txt", message="typo")


def test_file_that_is_not_fails_and_tells_how_to_write_it(tmp_path):
    (tmp_path / "rank.txt").write_text("old")
    with pytest.raises(
        AssertionError, match=r"set DECLARAI_UPDATE_PROMPTS=1 to write it anew:\n--- .*rank\.txt\n\+\+\+ rank now"
    ):
        assert_prompt(rank, tmp_path / "rank.txt")


def test_missing_file_fails_and_shows_the_prompt(tmp_path):
    with pytest.raises(AssertionError, match=r"(?s)there is no snapshot .*rank\.txt' of rank yet.*message: typo"):
        assert_prompt(rank, tmp_path / "rank.txt", message="typo")


def test_file_is_written_when_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DECLARAI_UPDATE_PROMPTS", "1")
    assert_prompt(rank, tmp_path / "new" / "rank.txt", message="typo")
    assert (tmp_path / "new" / "rank.txt").read_text() == RANKED


@pytest.mark.parametrize("value", ["", "0"])
def test_nothing_is_written_when_it_is_switched_off(tmp_path, monkeypatch, value):
    monkeypatch.setenv("DECLARAI_UPDATE_PROMPTS", value)
    with pytest.raises(AssertionError, match="there is no snapshot"):
        assert_prompt(rank, tmp_path / "rank.txt")


@pytest.mark.parametrize(
    ("target", "arguments", "roles"),
    [
        (Bot, {"topic": "tea"}, ["system", "assistant"]),
        (Bot, {"topic": "tea", "message": "Hi"}, ["system", "assistant", "user"]),
        (Plain(), {"message": "Hi"}, ["system", "user"]),
        (Recipe, {"ingredient": "apples"}, ["system", "user"]),
        (Recipe(ingredient="apples"), {}, ["system", "user"]),
        (rank, {}, ["system", "user", "assistant", "user"]),
    ],
)
def test_chats_and_class_prompts_have_prompts_too(target, arguments, roles):
    messages = compile_messages(target, arguments)
    assert [message.role for message in messages] == roles
    assert_prompt(target, format_messages(messages), **arguments)


def test_lock_is_readable_json():
    assert list(json.loads(dump(locked(rank=rank)))) == ["format", "library_templates", "modules", "prompts"]
