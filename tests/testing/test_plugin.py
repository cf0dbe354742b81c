"""The pytest plugin, in test suites of its own."""

import asyncio
import importlib
import json
import subprocess
import sys

import pytest

from declarai_like.errors import MissingExtra

pytest_plugins = ["pytester"]

TASKS = """
    import declarai_like as declarai

    llm = declarai.openai(model="gpt-4o-mini", openai_token="sk-0123456789")

    @llm.task
    def rank(message: str) -> int:
        "Rank the severity of a message"

    @llm.task(streaming=True)
    def tell(about: str) -> str:
        "Tell about something"
"""


class Libraries:
    """Keeps the libraries that a suite was the first to import: pytester would forget them, and others hold on to them.

    The HTTP client, for one, knows the exceptions of its transport by their classes; those of a second copy it does not.
    """

    def __init__(self, suites):
        self.suites = str(suites)
        self.known = set(sys.modules)
        self.found = {}

    def pytest_unconfigure(self):
        for name in sys.modules.keys() - self.known:
            if not str(getattr(sys.modules[name], "__file__", "")).startswith(self.suites):
                self.found[name] = sys.modules[name]

    def restore(self):
        sys.modules.update(self.found)


@pytest.fixture
def libraries(tmp_path_factory):
    libraries = Libraries(tmp_path_factory.getbasetemp())
    yield libraries
    libraries.restore()


@pytest.fixture
def suite(libraries, pytester, monkeypatch):  # in this order: pytester forgets once more when it ends
    """Give a directory with a module of tasks, where our plugin is the only one."""

    def run(*args):
        try:
            return run_in_process(*args, plugins=[libraries])
        finally:
            libraries.restore()

    run_in_process = pytester.runpytest_inprocess
    monkeypatch.setattr(pytester, "runpytest_inprocess", run)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(my_tasks=TASKS)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers -p declarai_like.testing.plugin -p no:cacheprovider\npythonpath = ."
    )
    return pytester


def outcomes(suite, *args):
    result = suite.runpytest_inprocess(*args)
    return {name: count for name, count in result.parseoutcomes().items() if name != "warnings"}, result.stdout.str()


def cassette_of(suite, name):
    return suite.path / "cassettes" / "test_it" / f"{name}.json"


def test_fake_llm_answers_tasks_that_know_nothing_of_it(suite):
    suite.makepyfile(
        test_it="""
        from my_tasks import rank

        def test_rank(fake_llm):
            fake_llm.enqueue(5)
            assert rank("The server is down!") == 5
            assert "server" in fake_llm.requests[0].messages[-1].message
        """
    )
    assert outcomes(suite)[0] == {"passed": 1}


def test_fake_llm_is_used_up(suite):
    suite.makepyfile(test_it="def test_nothing(fake_llm): fake_llm.enqueue('left over')")
    counts, output = outcomes(suite)
    assert counts == {"passed": 1, "errors": 1}
    assert "'left over'" in output


def test_fake_llm_shows_an_unexpected_request(suite):
    suite.makepyfile(
        test_it="""
        from my_tasks import rank

        def test_rank(fake_llm):
            rank("The server is down!")
        """
    )
    counts, output = outcomes(suite)
    assert counts == {"failed": 1}
    assert "message: The server is down!" in output


def test_failed_test_is_not_blamed_for_what_it_left(suite):
    suite.makepyfile(test_it="def test_nothing(fake_llm): fake_llm.enqueue('left over'); assert 0")
    assert outcomes(suite)[0] == {"failed": 1}


def test_llm_server_is_fresh_for_each_test(suite):
    suite.makepyfile(
        test_it="""
        import openai
        import pytest
        from declarai_like.testing import text_reply

        @pytest.mark.parametrize("text", ["one", "two"])
        def test_answer(llm_server, text):
            llm_server.enqueue(text_reply(text))
            with openai.OpenAI(base_url=llm_server.base_url, api_key="any") as client:
                answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
            assert answer.choices[0].message.content == text
            assert len(llm_server.requests) == 1
        """
    )
    assert outcomes(suite)[0] == {"passed": 2}


RECORDED = """
    import os
    import pytest
    from my_tasks import rank, tell
    from declarai_like.testing import FakeLLM

    @pytest.fixture(autouse=True)
    def model():
        texts = os.environ["SCRIPT"].split()
        with FakeLLM([5, *texts]).standing_in():
            yield

    @pytest.mark.llm_cassette{mark}
    def test_tasks():
        assert rank("The server is down!") == 5
        assert [step.response for step in tell("{about}")][-1] == "{said}"
"""


def write_recorded(suite, mark="", about="cats", said="Meow"):
    suite.makepyfile(test_it=RECORDED.format(mark=mark, about=about, said=said))


@pytest.fixture
def recorded(suite, monkeypatch):
    """Give a suite with a recorded test, whose model has nothing right to say any more."""
    write_recorded(suite)
    monkeypatch.setenv("SCRIPT", "Meow")
    assert outcomes(suite)[0] == {"passed": 1}
    monkeypatch.setenv("SCRIPT", "Woof")
    return suite


def test_marked_test_is_recorded_beside_it(recorded):
    calls = json.loads(cassette_of(recorded, "test_tasks").read_text())["calls"]
    assert [call["task"] for call in calls] == ["rank", "tell"]


def test_recorded_test_is_played(recorded):
    assert outcomes(recorded)[0] == {"passed": 1}


def test_changed_prompt_fails_with_a_diff(recorded):
    write_recorded(recorded, about="dogs")
    counts, output = outcomes(recorded)
    assert counts == {"failed": 1}
    assert "-  about: cats" in output
    assert "+  about: dogs" in output


def test_recording_that_is_not_asked_for_fails(recorded):
    recorded.makepyfile(test_it="def test_tasks(llm_cassette): pass")
    counts, output = outcomes(recorded)
    assert counts == {"passed": 1, "errors": 1}
    assert "2 recording(s)" in output


@pytest.mark.parametrize("mark", ["('all')", "(mode='all')"])
def test_marker_sets_the_mode(recorded, mark):
    write_recorded(recorded, mark, said="Woof")
    assert outcomes(recorded)[0] == {"passed": 1}


def test_command_line_goes_before_the_marker(recorded):
    write_recorded(recorded, "(mode='none')", said="Woof")
    assert outcomes(recorded, "--llm-record=all")[0] == {"passed": 1}
    write_recorded(recorded, "(mode='all')", said="Woof")
    assert outcomes(recorded, "--llm-record=none")[0] == {"passed": 1}


def test_unknown_mode_is_refused_by_the_command_line(recorded):
    assert recorded.runpytest_inprocess("--llm-record=sometimes").ret == pytest.ExitCode.USAGE_ERROR


def test_failed_test_leaves_the_recording_as_it_was(recorded):
    write_recorded(recorded, "('all')", said="Quack")
    before = cassette_of(recorded, "test_tasks").read_text()
    assert outcomes(recorded)[0] == {"failed": 1}
    assert cassette_of(recorded, "test_tasks").read_text() == before


def test_missing_recording_fails_where_none_may_be_made(suite, monkeypatch):
    monkeypatch.setenv("SCRIPT", "Meow")
    write_recorded(suite, "('none')")
    counts, output = outcomes(suite)
    assert counts == {"failed": 1}
    assert "no recording is left" in output


def test_fixture_gives_the_cassette(suite):
    suite.makepyfile(
        test_it="""
        from declarai_like.testing import FakeLLM

        class TestIt:
            def test_it(self, llm_cassette):
                assert llm_cassette.use(FakeLLM(["Hi"])).send("x").response == "Hi"
        """
    )
    assert outcomes(suite)[0] == {"passed": 1}
    assert cassette_of(suite, "TestIt.test_it").exists()


def test_each_parameter_has_a_file_of_its_own(suite):
    suite.makepyfile(
        test_it="""
        import pytest
        from declarai_like.testing import FakeLLM

        @pytest.mark.parametrize("text", ["a/b", "a b", "plain", "x" * 300])
        def test_it(llm_cassette, text):
            llm_cassette.use(FakeLLM(["Hi"])).send(text)
        """
    )
    assert outcomes(suite)[0] == {"passed": 4}
    names = [path.name for path in cassette_of(suite, "x").parent.iterdir()]
    assert len(names) == 4
    assert "test_it[plain].json" in names
    assert max(map(len, names)) < 140


def test_test_without_a_call_has_no_file(suite):
    suite.makepyfile(test_it="def test_it(llm_cassette): pass")
    assert outcomes(suite)[0] == {"passed": 1}
    assert not cassette_of(suite, "test_it").exists()


def test_marker_and_fixtures_are_described(suite):
    assert "@pytest.mark.llm_cassette(mode='once', timing=False)" in suite.runpytest_inprocess("--markers").stdout.str()
    fixtures = suite.runpytest_inprocess("--fixtures").stdout.str()
    assert all(f"\n{name} -- " in fixtures for name in ("fake_llm", "llm_server", "llm_cassette"))


def test_loading_the_plugin_loads_nothing_heavy():
    code = (
        "import sys, pytest, declarai_like.testing.plugin;"
        "ours = {name for name in sys.modules if name.startswith('declarai_like')};"
        "assert ours == {'declarai_like' + name for name in ('', '._version', '.testing', '.testing.plugin')}, ours;"
        "assert not {'openai', 'pydantic', 'jinja2', 'asyncio', 'httpx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)  # noqa: S603 - our own words


def test_plugin_without_pytest_names_its_extra(monkeypatch):
    name = "declarai_like.testing.plugin"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(MissingExtra, match=r'pip install "declarai-like\[testing\]"'):
        importlib.import_module(name)


EVAL = """
import pytest
from itertools import count

asked = count()

@pytest.mark.llm_eval({options})
{kind} test_it():
    number = next(asked)
    {body}
"""


def evaluated(suite, body, options="runs=20, at_least=0.8", kind="def"):
    suite.makepyfile(test_it=EVAL.format(options=options, kind=kind, body=body))
    return outcomes(suite, "-W", "default")


def test_eval_passes_if_enough_runs_are_good(suite):
    assert evaluated(suite, "assert number >= 0")[0] == {"passed": 1}
    counts, output = evaluated(suite, "assert number != 3", "runs=50, at_least=0.8")
    assert (counts, "CannotTellWarning" in output) == ({"passed": 1}, False)


def test_eval_fails_if_too_few_runs_are_good(suite):
    counts, output = evaluated(suite, "assert number % 4 == 0, f'run {number} is bad'")
    assert counts == {"failed": 1}
    assert (
        "5 of 20 runs are good: the share is 0.11 to 0.47, which is below 0.8; the first failure: run 1 is bad"
        in output
    )


@pytest.mark.parametrize(
    ("body", "options", "advice"),
    [
        ("assert number >= 0", "", "5 of 5 runs are good: the share is 0.57 to 1.00, and 0.8 is wanted; about 16 runs"),
        (
            "assert number % 5",
            "",
            "4 of 5 runs are good: the share is 0.38 to 0.96, and 0.8 is wanted; more runs would not",
        ),
    ],
)
def test_eval_warns_where_so_few_runs_cannot_tell(suite, body, options, advice):
    counts, output = evaluated(suite, body, options)
    assert counts == {"passed": 1}
    assert f"cannot tell: {advice}" in " ".join(output.split())


def test_eval_is_no_eval_where_the_model_cannot_be_asked(suite):
    counts, output = evaluated(suite, "import declarai_like; raise declarai_like.errors.ServerError('it is down')")
    assert counts == {"failed": 1}
    assert "ServerError: it is down" in output


@pytest.mark.parametrize("options", ["runs=0", "at_least=0", "at_least=2"])
def test_eval_says_what_it_takes(suite, options):
    assert "llm_eval takes runs= from 1 and at_least= above 0 and up to 1" in evaluated(suite, "pass", options)[1]


def test_eval_of_a_coroutine_function():
    from declarai_like.testing._repeats import repeated

    asked = []

    async def test(number):
        asked.append(number)
        assert len(asked) % 2

    with pytest.raises(AssertionError, match="10 of 20 runs are good"):
        asyncio.run(repeated(test, runs=20, at_least=0.9)(number=1))
    assert asked == [1] * 20
