"""`declarai-like serve`, in a process of its own and without."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from declarai_like._cli import main
from declarai_like._cli._serve import Settings, make_app
from declarai_like.errors import ConfigurationError

MODULE = '''
import declarai_like as declarai

llm = declarai.offline()


@llm.task
def about(movie: str) -> str:
    """Say something about {movie}."""


@llm.chat
class Bot:
    """You are a bot."""
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DECLARAI_SERVE_TOKEN", raising=False)
    (tmp_path / "served_app.py").write_text(MODULE)
    return "served_app.py"


def routes(app):
    return {route.path for route in app.routes}


def test_the_command_serves_until_it_is_interrupted(place):
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "declarai_like", "serve", place, "--port", "0", "--history", "chats.db"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = next(found[1] for line in process.stderr if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["about", "Bot"]
            assert "server" not in answer.headers
    finally:
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=20)
    assert "Traceback" not in output
    assert "Finished" in output or process.returncode in {0, -signal.SIGINT, 130}


def test_conversations_are_kept_in_the_file(place, site):
    served = site(make_app([place], Settings(history="chats.db")))
    assert served.post("/chats/Bot/s/messages", {"message": "Hi"}).status == 200
    again = site(make_app([place], Settings(history="chats.db")))
    assert again.ask("GET", "/chats/Bot/s").json["messages"][0]["content"] == "Hi"
    assert os.path.exists("chats.db")  # noqa: PTH110 - in the test's own directory


def test_others_are_served_only_with_a_token(place, monkeypatch):
    with pytest.raises(ConfigurationError, match="DECLARAI_SERVE_TOKEN"):
        make_app([place], Settings(host="0.0.0.0"))  # noqa: S104 - nothing is bound
    with pytest.raises(ConfigurationError, match="DECLARAI_SERVE_TOKEN"):
        make_app([place], Settings(host="my.example"))
    monkeypatch.setenv("DECLARAI_SERVE_TOKEN", "t")
    assert "/tasks" in routes(make_app([place], Settings(host="0.0.0.0", page=False)))  # noqa: S104 - nothing is bound


@pytest.mark.parametrize(("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")])
def test_the_host_that_is_listened_on_may_be_asked(place, site, host, asked):
    served = site(make_app([place], Settings(host=host, allow_host=["my.example"])))
    assert served.ask("GET", "/tasks", Host=asked).status == 200
    assert served.ask("GET", "/tasks", Host="my.example").status == 200


def test_the_token_is_that_of_the_environment(place, site, monkeypatch):
    monkeypatch.setenv("DECLARAI_SERVE_TOKEN", "t")
    served = site(make_app([place], Settings()))
    assert served.ask("GET", "/tasks").status == 401
    assert served.ask("GET", "/tasks", Authorization="Bearer t").status == 200


def test_a_module_without_tasks_cannot_be_served(place, tmp_path, capsys):
    (tmp_path / "nothing_here.py").write_text("x = 1\n")
    assert main(["serve", "nothing_here.py"]) == 1
    assert "there is no task and no chat in nothing_here.py" in capsys.readouterr().err


def test_without_uvicorn_the_error_names_the_extra(place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "declarai_like._cli._http_server", raising=False)
    assert main(["serve", place]) == 1
    assert 'pip install "declarai-like[serve]"' in capsys.readouterr().err


def test_the_port_may_be_in_use(place, capsys):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        started = time.monotonic()
        with pytest.raises(SystemExit):
            main(["serve", place, "--port", str(taken.getsockname()[1])])
    assert time.monotonic() - started < 10
