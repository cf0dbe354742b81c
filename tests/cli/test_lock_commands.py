"""The commands that look at prompts: `show` with its request, `lock`, `check` and `eval`."""

import io
import json
import os
import sys

import pytest

from declarai_like._cli import main
from declarai_like._cli._console import diff_style, make_printer, table
from declarai_like._cli._progress import progress_bar
from declarai_like._cli._targets import import_place, module_name
from declarai_like.evals import cases_of, scenarios
from declarai_like.evals._scores import scorer_of
from declarai_like.providers.base import REGISTERED

TASKS = '''
from __future__ import annotations

import declarai_like as declarai
from declarai_like import BaseLLM, LLMResponse, register_llm

@register_llm(provider="fixed")
class Fixed(BaseLLM):
    def predict(self, messages, stream=False, **params):
        if self.model == "broken":
            raise declarai.errors.ServerError("it is down")
        words = {"wordy": "very high", "one": "1"}
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        return LLMResponse(response=words.get(self.model, "5"), usage=usage)

llm = declarai.Declarai("fixed", "five", llm_params={"temperature": 0.2})

@llm.task
def rank(message: str, times: int = 1) -> int:
    """Rank the message

    >>> rank("server down")
    5
    """

class Group:
    @staticmethod
    @llm.task
    def inner(text: str) -> str:
        """Say something of {text}"""

    class Deeper:
        @llm.task
        def method(self, text: str) -> str:
            """Say more of {text}"""

@llm.chat
class Bot:
    """You are a bot for {topic}"""

    greeting = "Hello"

bot = Bot(topic="tea")

class Recipe(llm.Prompt):
    """Recommend {ingredient}"""
    ingredient: str

class Other:
    def compile(self):
        return rank.compile()

again = rank
varied = rank.with_options(llm_params={"temperature": 0.9})
number = 5

def half(value, expected):
    return 0.5
'''
NAMES = ["Bot", "Group.Deeper.method", "Group.inner", "Recipe", "rank", "varied"]


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A package with a module of tasks, one that shares them, and a program that must not be run."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "rich.console", raising=False)
    package = tmp_path / "app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("raise SystemExit")
    (package / "a_sharing.py").write_text("from .jobs import rank, Bot, Recipe, varied\n")
    (package / "jobs.py").write_text(TASKS)
    (tmp_path / "alone.py").write_text(TASKS)
    yield tmp_path
    REGISTERED.pop(("fixed", None), None)
    forget()


def forget():
    for name in [name for name in sys.modules if name.split(".")[0] in ("app", "alone", "_shown_alone")]:
        del sys.modules[name]


def change(path, *replacements):
    text = path.read_text()
    for old, new in replacements:
        text = text.replace(old, new)
    path.write_text(text)
    os.utime(path, ns=(1, 1))  # another time, so that what was compiled of it is not used
    forget()


# --- lock and check --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["app"], [f"app.jobs:{name}" for name in NAMES]),
        (["app.jobs"], [f"app.jobs:{name}" for name in NAMES]),
        (["app/jobs.py"], [f"app.jobs:{name}" for name in NAMES]),
        (["alone.py"], [f"alone.py:{name}" for name in NAMES]),
        (["app.a_sharing"], [f"app.a_sharing:{name}" for name in ("Bot", "Recipe", "rank", "varied")]),
    ],
)
def test_everything_that_is_declared_is_locked_once(app, capsys, places, names):
    assert main(["lock", *places]) == 0
    assert list(json.loads((app / "prompts.lock").read_text())["prompts"]) == names
    assert capsys.readouterr().out == f"prompts.lock: locked {len(names)} prompts\n"


def test_unchanged_prompts_pass(app, capsys):
    main(["lock", "app", "alone.py"])
    assert main(["check"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "prompts.lock: 12 prompts as locked"


def test_changed_prompts_fail_with_a_diff(app, capsys):
    main(["lock", "app"])
    change(app / "app" / "jobs.py", ("Rank the", "Rate the"), ("def inner", "def renamed"))
    assert main(["check", "app"]) == 1
    out, err = capsys.readouterr()
    assert '-            "Rank the message",' not in out
    assert '+        "Rate the message",' in out.splitlines()
    assert "--- app.jobs:Group.inner (locked)" in out
    assert err == (
        "declarai-like: prompts are not as in prompts.lock (2 changed, 1 new, 1 gone); "
        "if that is meant, run it again with --update\n"
    )


def test_changed_prompts_are_locked_when_that_is_meant(app, capsys):
    main(["lock", "app", "alone.py"])
    change(app / "app" / "jobs.py", ("Rank the", "Rate the"))
    assert main(["check", "app", "--update"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "prompts.lock: updated (2 changed)"
    assert main(["check"]) == 0


def test_lock_may_be_elsewhere(app, capsys):
    assert main(["lock", "app", "--lock-file", "other.lock"]) == 0
    assert main(["check", "app", "--lock-file", "other.lock"]) == 0
    assert [path.name for path in app.glob("*.lock")] == ["other.lock"]


def test_one_prompt_is_one(app, capsys):
    (app / "alone.py").write_text(
        'import declarai_like as d\n@d.openai("m").task\ndef one(x: str) -> str:\n    "Say {x}"\n'
    )
    main(["lock", "alone.py"])
    assert capsys.readouterr().out == "prompts.lock: locked 1 prompt\n"


@pytest.mark.parametrize(
    ("prepare", "arguments", "complaint"),
    [
        ({}, ["check", "app"], "there is no 'prompts.lock': write it with `declarai-like lock MODULE`"),
        ({"prompts.lock": "<<<<<<<"}, ["check", "app"], "prompts.lock is no prompt lock"),
        ({"prompts.lock": b"\xff"}, ["check", "app"], "cannot read 'prompts.lock'"),
        ({"prompts.lock": '{"format": 1, "prompts": {}}'}, ["check"], "the lock names no modules"),
        ({"empty.py": ""}, ["lock", "empty.py"], "there is no task, chat or prompt with a model in 'empty.py'"),
        ({"app/wrong.py": "1/0"}, ["lock", "app"], "cannot import 'app.wrong': ZeroDivisionError"),
        ({"wrong.py": "1/0"}, ["lock", "wrong.py"], "cannot import 'wrong.py': ZeroDivisionError"),
        ({}, ["lock", "app", "--lock-file", "none/prompts.lock"], "cannot write 'none/prompts.lock'"),
    ],
)
def test_what_cannot_be_locked_is_told(app, capsys, prepare, arguments, complaint):
    for name, content in prepare.items():
        (app / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(arguments) == 1
    assert complaint in capsys.readouterr().err


def test_file_is_executed_once(app):
    first = import_place("alone.py")
    assert import_place("alone.py") is first
    assert module_name(first) == "alone.py"


def test_files_of_one_name_are_two_modules(app):
    (app / "deep").mkdir()
    (app / "deep" / "alone.py").write_text("number = 6")
    assert import_place("alone.py") is not import_place("deep/alone.py")
    assert module_name(import_place("deep/alone.py")) == "deep/alone.py"


def test_file_of_a_package_is_imported_as_its_module(app):
    assert import_place("app/__init__.py").__name__ == "app"
    assert import_place("app/a_sharing.py") is sys.modules["app.a_sharing"]


# --- show ------------------------------------------------------------------------------------------------------


def test_show_tells_model_parameters_and_schema(app, capsys):
    assert main(["show", "app.jobs:rank"]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "about 39 tokens in all (an estimate: four characters of Latin script for one)",
        "model: fixed five",
        'parameters: {"temperature": 0.2}',
        "schema: int, about 59 tokens more (--request shows it)",
    ]


def test_show_of_a_text_has_no_schema(app, capsys):
    (app / "alone.py").write_text(
        'import declarai_like as d\n@d.openai("m").task\ndef one(x: str) -> str:\n    "Say {x}"\n'
    )
    assert main(["show", "alone.py:one"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "model: openai m"


def test_show_gives_the_whole_request(app, capsys):
    arguments = ["--arg", "message=Hi", "--arg", 'llm_params={"seed": 7}']
    assert main(["show", "app.jobs:rank", "--request", *arguments]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["temperature"], body["seed"], body["stream"]) == (0.2, 7, False)
    assert body["messages"][-1] == {"role": "user", "content": "Rank the message\nInputs:\nmessage: Hi\ntimes: 1\n\n"}
    assert body["response_format"]["type"] == "json_schema"


def test_argument_that_is_called_as_the_models_parameters_is_the_tasks(app, capsys):
    source = 'import declarai_like as d\n@d.openai("m", llm_params={"odd": {1}}).task\ndef one(llm_params: dict) -> str:\n    "Say"\n'
    (app / "alone.py").write_text(source)
    assert main(["show", "alone.py:one", "--request", "--arg", 'llm_params={"a": 1}']) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["odd"], "a" in body) == ("{1}", False)


@pytest.mark.parametrize("form", [[], ["--request"]])
def test_show_hides_what_headers_hold(app, capsys, form):
    given = ["--arg", "message=Hi", "--arg", 'llm_params={"extra_headers": {"X-Key": "secret"}}']
    assert main(["show", "app.jobs:rank", *form, *given]) == 0
    out = capsys.readouterr().out
    assert ("X-Key" in out, "secret" in out) == (True, False)


@pytest.mark.parametrize(
    ("target", "arguments", "roles"),
    [
        ("Bot", ["topic=tea", "message=5"], ["system", "assistant", "user"]),
        ("bot", ["message=5"], ["system", "assistant", "user"]),
        ("Recipe", ["ingredient=tea"], ["user"]),
    ],
)
def test_chats_and_prompts_are_shown_too(app, capsys, target, arguments, roles):
    given = [part for argument in arguments for part in ("--arg", argument)]
    assert main(["show", f"app.jobs:{target}", "--request", *given]) == 0
    assert [message["role"] for message in json.loads(capsys.readouterr().out)["messages"]] == roles


def test_only_what_has_a_model_makes_requests(app, capsys):
    assert main(["show", "app.jobs:Other", "--request"]) == 1
    assert "only tasks, chats and prompts with a model make requests" in capsys.readouterr().err
    assert main(["show", "app.jobs:Other"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("about ")


# --- eval ------------------------------------------------------------------------------------------------------


def test_table_compares_models(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:six", "--model", "one", "--runs", "2"]) == 0
    out, err = capsys.readouterr()
    words = [" ".join(line.split()) for line in out.splitlines()]
    assert words[0] == "scenario model runs time in out cost worst score 95 % interval"
    assert [line.split()[-5:-3] for line in words[1:5]] == [["1.00", "1.00"]] * 4
    assert [line.split(" ")[:2] for line in words[3:5]] == [["all", "fixed:six"], ["all", "fixed:one"]]
    assert [line.split("  ")[0].startswith('rank("server down")') for line in out.splitlines()[1:3]] == [True, True]
    assert err.splitlines()[-1] == "Evaluating: 4 of 4 calls"


def test_wrong_answers_are_shown_raw(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:one", "--runs", "3"]) == 0
    assert capsys.readouterr().out.endswith(
        "\nrank(\"server down\") on fixed:one: expected 5, got 1 (score 0.00)\n  '1' (3 times)\n"
    )


def test_answers_of_another_type_are_shown_raw(app, capsys):
    main(["eval", "app.jobs:rank", "--model", "fixed:wordy"])
    assert "expected 5, OutputError (score 0.00)\n  'very high'\n" in capsys.readouterr().out


def test_texts_are_shown_once(app, capsys):
    (app / "cases.jsonl").write_text('{"arguments": {"text": "a"}, "expected": "4"}')
    main(["eval", "app.jobs:Group.inner", "--cases", "cases.jsonl"])
    assert capsys.readouterr().out.endswith("\ninner(text='a') on fixed:five: expected '4' (score 0.00)\n  '5'\n")


def test_low_score_fails_when_that_is_asked_for(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:one", "--model", "fixed:five", "--min-score", "0.5"]) == 1
    assert capsys.readouterr().out.endswith("\nfixed:one: a mean score of 0.00 is below 0.5\n")


def test_model_that_gives_no_score_is_below_any(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:broken", "--min-score", "-1"]) == 2
    assert capsys.readouterr().out.endswith("\nfixed:broken: a mean score of none is below -1.0\n")


def test_model_that_cannot_be_asked_fails(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:broken"]) == 2
    assert 'rank("server down") on fixed:broken: could not be asked: ' in capsys.readouterr().out


def test_runs_are_printed_as_json(app, capsys):
    assert main(["eval", "app.jobs:rank", "--model", "fixed:wordy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (run,), (row,) = told["runs"], told["models"]
    assert {name: run[name] for name in ("task", "model", "arguments", "expected", "text", "score", "cost")} == {
        "task": "rank",
        "model": "fixed:wordy",
        "arguments": {"message": "server down"},
        "expected": 5,
        "text": "very high",
        "score": 0.0,
        "cost": None,
    }
    assert run["error"].startswith("OutputError: expected int")
    assert (row["model"], row["runs"], row["input_tokens"], row["score"]) == ("fixed:wordy", 1, 10, 0.0)


def test_cases_of_a_file_are_asked_too(app, capsys):
    lines = [
        {"task": "rank", "arguments": {"message": "é"}, "expected": 5, "name": "accent"},
        {"task": "app.jobs:Group.inner", "arguments": {"text": "x"}, "expected": " 5 "},
    ]
    (app / "cases.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert main(["eval", "app", "--cases", "cases.jsonl", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["scenario"], run["score"]) for run in runs] == [
        ('rank("server down")', 1.0),
        ("accent", 1.0),
        ('rank("server down")', 1.0),
        ("inner(text='x')", 1.0),
    ]


def test_cases_of_a_file_need_no_task_where_there_is_one(app, capsys):
    (app / "cases.jsonl").write_text('{"arguments": {"message": "a"}, "expected": 4}')
    assert main(["eval", "app.jobs:rank", "--cases", "cases.jsonl", "--tolerance", "1", "--json"]) == 0
    assert [run["score"] for run in json.loads(capsys.readouterr().out)["runs"]] == [1.0, 1.0]


def test_scorer_is_a_function_of_a_module(app, capsys):
    assert main(["eval", "app.jobs:rank", "--scorer", "app.jobs:half", "--min-score", "0.5"]) == 0
    assert "(score 0.50)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "cases", "complaint"),
    [
        (["app.a_sharing:Bot"], "", "there is no task in 'app.a_sharing:Bot'"),
        (["app.jobs:Group.inner"], "", "there is nothing to ask app.jobs:Group.inner: write examples"),
        (["app"], '{"arguments": {}, "expected": 1}', 'cases.jsonl: say in each case which "task" is meant'),
        (["app"], '{"task": "none", "arguments": {}, "expected": 1}', "cases.jsonl: there is no task 'none' among"),
        (
            ["app.jobs:rank"],
            '{"arguments": {"none": 1}, "expected": 1}',
            "cases.jsonl: the arguments of a case are not",
        ),
        (["app.jobs:rank", "--scorer", "app.jobs:number"], "", "'app.jobs:number' is not a function but 5"),
        (["app.jobs:rank", "--scorer", "half"], "", "expected MODULE:FUNCTION"),
    ],
)
def test_what_cannot_be_evaluated_is_told(app, capsys, arguments, cases, complaint):
    (app / "cases.jsonl").write_text(cases)
    assert main(["eval", *arguments, "--cases", "cases.jsonl"]) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "many"])
def test_numbers_are_counts(app, capsys, number):
    with pytest.raises(SystemExit) as ended:
        main(["eval", "app", "--runs", number])
    assert ended.value.code == 2


def test_ready_made_scenarios_are_asked_of_any_model(app, capsys):
    import_place("app.jobs")
    assert main(["eval", "declarai_like.evals.scenarios", "--model", "fixed:five", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert (len(runs), sum(run["score"] is None for run in runs)) == (17, 0)
    assert {run["score"] for run in runs if run["task"].startswith("severity")} == {1 - 5 / 9}


def test_answers_of_the_scenarios_are_right_themselves():
    names = ("write_title", "write_poem", "write_query", "name_product", "severity_all")
    tasks = [getattr(scenarios, name) for name in names]
    examples = [(task, case.expected) for task in tasks for case in cases_of(task)]
    assert [scorer_of(task)(expected, expected) for task, expected in examples] == [1.0] * len(names)


# --- how it looks ----------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_terminal_has_colours_and_the_same_text(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal)
    make_printer()("a [bold]long[/bold] line :smile: of a prompt", "red")
    assert terminal.getvalue() == "\x1b[31ma [bold]long[/bold] line :smile: of a prompt\x1b[0m\n"


def test_file_has_no_colours(capsys):
    make_printer()("a line", "red")
    assert capsys.readouterr().out == "a line\n"


def test_text_is_the_same_without_rich(terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys, "stdout", terminal)
    make_printer()("a line", "red")
    assert terminal.getvalue() == "a line\n"


@pytest.mark.parametrize(
    ("line", "style"),
    [("+++ now", "bold"), ("--- was", "bold"), ("@@ -1 +1 @@", "cyan"), ("+a", "green"), ("-a", "red"), (" a", "")],
)
def test_lines_of_a_diff_have_colours(line, style):
    assert diff_style(line) == style


def test_columns_are_aligned():
    assert table(("name", "n"), [("a", "10"), ("longer", "1")], left=1) == ["name     n", "a       10", "longer   1"]


def test_calls_are_counted_on_a_terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    stream = Terminal()
    with progress_bar("Evaluating", stream, "calls") as progress:
        progress(2, 2)
    assert "\rEvaluating [##############################] 2 of 2 calls, " in stream.getvalue()
    assert stream.getvalue().endswith(" a second \n")


def test_calls_are_counted_with_rich(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with progress_bar("Evaluating", stream, "calls") as progress:
        progress(2, 2)
    assert "2/2" in stream.getvalue()
