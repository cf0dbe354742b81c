"""Servers that die, restart, or were never there."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tool_servers.conftest import SERVER, ask_once, asking, free_port, is_running, wait_until

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import tool_call


def add(fake, server):
    return ask_once(fake, server, "demo_add", {"a": 1, "b": 2}, retries=0)


def test_server_that_was_killed_between_calls_is_begun_anew(own_demo, fake):
    with own_demo.open() as server:
        for _ in range(3):
            assert add(fake, server).value == {"result": 3}
            own_demo.kill()
            own_demo.start_again()
        assert add(fake, server).value == {"result": 3}


def test_server_that_dies_within_a_call_is_not_asked_again(own_demo, fake):
    with own_demo.open() as server:
        fake.enqueue(tool_call("demo_die_for_good", {"mark": "dead"}), tool_call("demo_add", {"a": 1, "b": 2}), "done")

        @fake.task(tools=[server])
        def ask(question: str) -> str:
            """Answer: {question}"""

        results = []
        with ask.stream("?") as stream:
            for event in stream:
                if event.type == "tool.result":
                    results.append(event)
                    if len(results) == 1:
                        own_demo.start_again()
    assert results[0].error.startswith("connection lost; it may have run")
    assert results[1].value == {"result": 3}
    assert own_demo.notes.read_text() == "dead\n"


def test_call_that_only_reads_is_made_again_when_the_server_has_died_within_it(child, fake):
    with child.open() as server:
        assert ask_once(fake, server, "demo_die_once", {"mark": "dead"}).value == "lives"


def test_calls_at_the_same_time_all_end_when_the_server_dies(own_demo, fake):
    calls = [("demo_slow", {"seconds": 60, "mark": f"m{number}"}) for number in range(5)]
    with own_demo.open() as server:
        task = asking(fake, *calls, tools=[server.only("slow", retries=9)])
        errors_told, is_killed = [], False
        with task.stream("?") as stream:
            for event in stream:
                if event.type == "tool.progress" and not is_killed:
                    wait_until(lambda: own_demo.notes.read_text().count("begins") == 5)
                    own_demo.kill()
                    is_killed = True
                if event.type == "tool.result":
                    errors_told.append(event.error)
    assert len(errors_told) == 5
    assert all(error.startswith("connection lost; it may have run") for error in errors_told)


def test_program_that_is_not_there_is_told(fake):
    with (
        declarai.mcp("gone", command=["/no/such/program"]) as server,
        pytest.raises(errors.ToolServerError, match=r"'gone' cannot be had: .*No such file"),
    ):
        add(fake, server)
    assert not fake.requests


def test_program_that_ends_at_once_is_told(fake):
    with (
        declarai.mcp("brief", command=[sys.executable, "-c", ""]) as server,
        pytest.raises(errors.ToolServerError, match="'brief' cannot be had: "),
    ):
        add(fake, server)


def test_program_that_says_nothing_is_given_up(fake):
    with (
        declarai.mcp("mute", command=["sleep", "600"], timeout=1) as server,
        pytest.raises(errors.ToolServerError, match=r"'mute' (did not begin within 1 s|cannot be had)"),
    ):
        add(fake, server)


def test_program_that_speaks_something_else_is_told(fake):
    command = [sys.executable, "-c", "print('hello')\nimport time; time.sleep(60)"]
    with (
        declarai.mcp("cat", command=command, timeout=1) as server,
        pytest.raises(errors.ToolServerError, match=r"'cat' (did not begin within 1 s|cannot be had)"),
    ):
        add(fake, server)


def test_address_where_nobody_is_is_told(fake):
    port = free_port()
    with (
        declarai.mcp("nobody", url=f"http://127.0.0.1:{port}/mcp") as server,
        pytest.raises(errors.ToolServerError, match=r"'nobody' cannot be (had|reached): "),
    ):
        add(fake, server)


def test_server_that_is_gone_is_shown_to_the_model(own_demo, fake):
    if "url" not in own_demo.told:
        pytest.skip("a child is begun anew")
    with own_demo.open() as server:
        listed = server.find_tools().result(60)
        own_demo.kill()
        [tool] = [one for one in listed if one.name == "demo_add"]
        run = asking(fake, ("demo_add", {"a": 1, "b": 2}), tools=[tool]).run("?").calls[0]
    assert run.error.startswith("the tool server 'demo' cannot be ")
    assert not run.may_have_run


def test_status_of_a_server_that_lets_nobody_in_is_told(fake, server):
    server.enqueue(*[declarai.testing.error_reply(401, "no")] * 4)
    with (
        declarai.mcp("closed", url=f"{server.base_url}/mcp", headers={"Authorization": "Bearer sk-secret"}) as closed,
        pytest.raises(errors.ToolServerError, match="HTTP 401") as caught,
    ):
        add(fake, closed)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 500, 503])
def test_other_status_is_told(fake, server, status):
    server.enqueue(*[declarai.testing.error_reply(status, "no")] * 4)
    with (
        declarai.mcp("broken", url=f"{server.base_url}/mcp") as broken,
        pytest.raises(errors.ToolServerError, match=f"HTTP {status}"),
    ):
        add(fake, broken)


def test_what_a_child_has_started_ends_with_it(child, fake):
    with child.open() as server:
        pids = ask_once(fake, server, "demo_spawn").value
        started, child_itself = map(int, pids.split())
        assert psutil.pid_exists(started)
    wait_until(lambda: not psutil.pid_exists(started) or not is_running(psutil.Process(started)))
    wait_until(lambda: not psutil.pid_exists(child_itself))


def test_child_sees_of_the_environment_what_it_is_given(child, fake, monkeypatch):
    monkeypatch.setenv("OTHER_SECRET", "hidden")
    with child.open(env={"MINE": "yes"}) as server:
        seen = [
            ask_once(fake, server, "demo_look", {"name": name}).value
            for name in ("MINE", "OTHER_SECRET", "USER", "PATH")
        ]
    assert [one["result"] for one in seen] == ["yes", "not there", "not there", os.environ["PATH"]]


def test_what_a_child_says_beside_goes_to_the_log_without_secrets(child, fake, caplog):
    caplog.set_level("INFO", "declarai_like")
    with child.open(env={"API_KEY": "sk-very-secret"}) as server:
        ask_once(fake, server, "demo_complain", {"text": "my key is sk-very-secret"})
    assert "tool server demo: my key is **********" in caplog.messages
    assert "very-secret" not in caplog.text


def test_secret_in_a_result_is_blanked_out(child, fake):
    with child.open(env={"API_KEY": "sk-very-secret"}) as server:
        assert ask_once(fake, server, "demo_look", {"name": "API_KEY"}).value == {"result": "**********"}
        assert "secret" not in repr(server)


PROGRAM = f"""
import sys
import declarai_like as declarai
from declarai_like.testing import FakeLLM, tool_call

fake = FakeLLM([tool_call("demo_add", {{"a": 1, "b": 2}}), "done"])
demo = declarai.mcp("demo", command=[sys.executable, {SERVER!r}, "stdio"])

@fake.task(tools=[demo])
def ask(question: str) -> str:
    "Answer: {{question}}"

assert ask("?") == "done"
"""


def test_program_that_closes_nothing_ends_and_leaves_nothing(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    begun = time.monotonic()
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - it is our own
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - begun < 50


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_child_process_that_was_forked_begins_its_own(child, fake):
    with child.open() as server:
        assert add(fake, server).value == {"result": 3}
        process = os.fork()
        if not process:
            signal.alarm(60)
            is_well = add(fake, server).value == {"result": 3}
            server.close()
            os._exit(0 if is_well else 1)
        assert os.waitpid(process, 0)[1] == 0
        assert add(fake, server).value == {"result": 3}
