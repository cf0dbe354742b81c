"""Servers as others wrote them: npm's `server-everything` and `server-filesystem`, run by node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest
from tool_servers.conftest import ask_once, free_port, is_running, wait_until

import declarai_like as declarai
from declarai_like import errors, serve
from declarai_like.testing import FakeLLM

PLACE = Path(__file__).with_name("npm")
FILES = ("package.json", "package-lock.json", "vercel_client.mjs")
pytestmark = [
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="session")
def npm(tmp_path_factory):
    """Install what the lock file names, once for all that test at the same time; give the folder."""
    if (PLACE / "node_modules").is_dir():
        return PLACE
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    place = (tmp_path_factory.getbasetemp().parent if is_worker else tmp_path_factory.getbasetemp()) / "npm"
    try:
        place.mkdir()
    except FileExistsError:
        wait_until((place / "installed").exists, 280)
    else:
        for name in FILES:
            shutil.copy(PLACE / name, place)
        command = ["npm", "ci", "--ignore-scripts", "--silent"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=280, check=False)  # noqa: S603 - our own
        (place / "installed").write_text("" if not done.returncode else done.stderr or "npm failed")
    fault = (place / "installed").read_text()
    if fault and "CI" not in os.environ:
        pytest.skip(f"npm could not install the packages: {fault[-200:]}")
    assert not fault
    return place


@pytest.fixture
def packages(npm):
    return npm / "node_modules" / "@modelcontextprotocol"


@pytest.fixture
def run(packages):
    def running(name, *arguments, **more):
        command = ["node", str(packages / name / "dist" / "index.js"), *arguments]
        return declarai.mcp(name.removeprefix("server-"), command=command, **more)

    return running


@pytest.fixture(params=["stdio", "http"])
def everything(request, run, packages, fake):
    """The server that shows all that there is, over both transports."""
    if request.param == "stdio":
        with run("server-everything", "stdio", asker=print) as server:
            yield server
        return
    port = free_port()
    command = ["node", str(packages / "server-everything" / "dist" / "index.js"), "streamableHttp"]
    process = subprocess.Popen(  # noqa: S603 - our own
        command, env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert any("listening" in line for line in process.stderr)
        with declarai.mcp("everything", url=f"http://127.0.0.1:{port}/mcp") as server:
            yield server
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("echo", {"message": "grüße"}, "Echo: grüße"),
        ("get-sum", {"a": 2, "b": 3}, "The sum of 2 and 3 is 5."),
        (
            "get-structured-content",
            {"location": "Chicago"},
            {"temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82},
        ),
    ],
)
def test_results_of_server_everything(everything, fake, tool, arguments, value):
    assert ask_once(fake, everything, f"everything_{tool}", arguments).value == value


def test_pictures_and_resources_of_server_everything(everything):
    value = ask_once(FakeLLM(), everything, "everything_get-tiny-image").value
    assert any(isinstance(part, declarai.Image) for part in value)
    value = ask_once(FakeLLM(), everything, "everything_get-resource-reference", {"resourceType": "Blob"}).value
    assert "demo://resource/dynamic/blob/1" in value
    value = ask_once(FakeLLM(), everything, "everything_get-resource-links", {"count": 1}).value
    assert "demo://resource/dynamic/" in value
    assert "# " in everything.resource("demo://resource/static/document/architecture.md").data.decode()
    [message] = everything.prompt("args-prompt", city="Paris", state="Texas")
    assert "Paris, Texas" in message.message


def test_wrong_arguments_are_not_sent(everything, fake):
    run = ask_once(fake, everything, "everything_get-structured-content", {"location": "Rome"})
    assert "location: 'Rome' is not one of ['New York', 'Chicago', 'Los Angeles']" in run.error


def test_progress_and_time_limits_of_server_everything(everything, fake):
    run = ask_once(
        fake,
        everything.only("trigger-long-running-operation", timeout=1),
        "everything_trigger-long-running-operation",
        {"duration": 60, "steps": 600},
    )
    assert run.may_have_run
    llm = FakeLLM()
    llm.enqueue(
        declarai.testing.tool_call("everything_trigger-long-running-operation", {"duration": 1, "steps": 4}), "done"
    )

    @llm.task(tools=[everything])
    def ask(question: str) -> str:
        """Answer: {question}"""

    with ask.stream("?") as stream:
        told = [event.value for event in stream if event.type == "tool.progress"]
    assert told[-1] == {"progress": 4.0, "total": 4.0}


def test_environment_of_a_node_server_holds_no_secrets(run, fake, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with run("server-everything", "stdio", env={"MINE": "1"}) as server:
        value = ask_once(fake, server, "everything_get-env").value
    assert "canary" not in value
    assert '"MINE": "1"' in value


def test_files_are_read_and_written_only_after_a_decision(run, fake, tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (root / "a.txt").write_text("hello")
    with run("server-filesystem", str(root)) as files:
        assert "hello" in str(ask_once(fake, files, "filesystem_read_text_file", {"path": str(root / "a.txt")}).value)
        fake.enqueue(
            declarai.testing.tool_call("filesystem_write_file", {"path": str(root / "b.txt"), "content": "new"}), "done"
        )

        @fake.task(tools=[files])
        def ask(question: str) -> str:
            """Answer: {question}"""

        with pytest.raises(errors.ApprovalRequired) as caught:
            ask("?")
        assert not (root / "b.txt").exists()
        ask.resume(caught.value.paused, {caught.value.pending[0].id: True})
        assert (root / "b.txt").read_text() == "new"


def test_what_is_outside_of_the_folder_is_an_error_for_the_model(run, fake, tmp_path):
    with run("server-filesystem", str(tmp_path)) as files:
        run_of_it = ask_once(fake, files, "filesystem_read_text_file", {"path": "/etc/passwd"})
    assert "Access denied" in run_of_it.error


def test_killed_node_server_is_begun_anew(run, tmp_path):
    with run("server-filesystem", str(tmp_path)) as files:
        for _ in range(2):
            assert ask_once(FakeLLM(), files, "filesystem_list_allowed_directories").error is None
            [child] = [one for one in psutil.Process().children() if one.name() == "node"]
            child.kill()
            wait_until(lambda child=child: not is_running(child))


def test_vercel_s_client_calls_our_tasks(npm, site, fake):
    @fake.task
    def about(movie: str) -> str:
        """Say something about {movie}"""

    fake.enqueue("A shark.")
    served = site(serve.mcp_app([about]))
    command = ["node", str(npm / "vercel_client.mjs"), f"{served.url}/mcp"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own
    told = json.loads(done.stdout)
    assert told["names"] == ["about"]
    assert told["result"]["content"] == [{"type": "text", "text": "A shark."}]
