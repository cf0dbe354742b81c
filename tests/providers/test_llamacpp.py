"""llama.cpp inside the process: what it answers, how it fails, and that every program can end."""

import http.client
import json
import os
import socket
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from declarai_like.errors import ConfigurationError, MissingExtra
from declarai_like.providers import _llamacpp
from declarai_like.providers._llamacpp import compute_threads, embedded_server
from declarai_like.providers._model_files import find_model

GOOD_HEAD = struct.pack("<4sIQQ", b"GGUF", 3, 2, 1)
HELLO = [{"role": "user", "content": "Say hello"}]


def ask(server, path, body=None, key=None):
    """Send one request and return the status and the body."""
    headers = {"Authorization": f"Bearer {server.api_key if key is None else key}"}
    with closing(http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)) as connection:
        connection.request("POST" if body else "GET", f"/v1/{path}", body and json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def server():
    return embedded_server(find_model())


# --- what does not start ---------------------------------------------------------------------------------------


def test_missing_xllamacpp_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    (tmp_path / "model.gguf").write_bytes(GOOD_HEAD + b"rest")
    with pytest.raises(MissingExtra, match=r'pip install "declarai-like\[local\]"'):
        embedded_server(tmp_path / "model.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"<html>not found</html>"])
def test_llama_cpp_does_not_see_what_is_no_model(tmp_path, monkeypatch, content):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    (tmp_path / "model.gguf").write_bytes(content)
    with pytest.raises(ConfigurationError, match="GGUF"):
        embedded_server(tmp_path / "model.gguf")


@pytest.mark.local_model
@pytest.mark.parametrize("size", [100, 5_000, 2_000_000, 60_000_000])
def test_model_that_is_cut_short_is_an_error_and_no_crash(tmp_path, capfd, size):
    with find_model().open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(size))
    with pytest.raises(ConfigurationError, match=r"cut\.gguf'.*cut short"):
        embedded_server(tmp_path / "cut.gguf")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (8, 4)])
def test_half_of_the_cores_are_left_to_others(cores, threads):
    assert compute_threads(cores) == threads


# --- what it answers -------------------------------------------------------------------------------------------


@pytest.mark.local_model
def test_server_is_started_once(server):
    assert embedded_server(find_model()) is server


@pytest.mark.local_model
def test_other_options_are_another_server(server):
    other = embedded_server(find_model(), n_ctx=256, n_parallel=1)
    assert other.base_url != server.base_url
    status, body = ask(other, "chat/completions", {"messages": [{"role": "user", "content": "word " * 300}]})
    assert (status, body["error"]["n_ctx"]) == (400, 256)


@pytest.mark.local_model
def test_key_is_needed_and_not_shown(server):
    assert ask(server, "models", key="guess")[0] == 401
    assert server.api_key not in repr(server)
    assert server.base_url.startswith("http://127.0.0.1:")


@pytest.mark.local_model
def test_it_is_silent(capfd):
    server = embedded_server(find_model(), n_ctx=512)
    status, body = ask(server, "chat/completions", {"messages": HELLO, "max_tokens": 4, "n": 2})
    assert (status, body["model"], len(body["choices"])) == (200, find_model().stem, 2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.local_model
def test_schema_binds_the_answer(server):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    _, body = ask(server, "chat/completions", {"messages": HELLO, "response_format": form, "max_tokens": 60})
    assert isinstance(json.loads(body["choices"][0]["message"]["content"])["a"], int)


# --- how a program ends ----------------------------------------------------------------------------------------

PRELUDE = """
import atexit, http.client, json, os, sys, threading, time
from urllib.parse import urlsplit
from declarai_like.providers._model_files import find_model
from declarai_like.providers._llamacpp import compute_threads, embedded_server

def begin(server, tokens=3000, stream=True):
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)
    body = {"messages": [{"role": "user", "content": "Tell"}], "max_tokens": tokens, "stream": stream, "ignore_eos": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": "Bearer " + server.api_key})
    return connection, connection.getresponse()

def read(server, tokens, stream):
    try:
        return len(begin(server, tokens, stream)[1].read())
    except (OSError, http.client.HTTPException):
        return 0

def in_thread(*arguments):
    threading.Thread(target=read, args=arguments, daemon=True).start()

server = embedded_server(find_model())
"""


def ended(script):
    """Run the script with the server started and return how it ended; a hang is a failure."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-X", "faulthandler", "-c", PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.local_model
@pytest.mark.parametrize(
    "script",
    [
        "",
        "kept = begin(server, 4, False); kept[1].read()",
        "half = begin(server); half[1].read(100)",
        "in_thread(server, 3000, False); time.sleep(0.5)",
        "[in_thread(server, 3000, number % 2 == 0) for number in range(8)]; time.sleep(0.5)",
        "other = embedded_server(find_model(), n_ctx=512); half = begin(other); half[1].read(100)",
        "atexit.register(lambda: read(server, 4, False))",
    ],
    ids=["unused", "idle", "half read", "in a thread", "more than it can do", "two servers", "used at exit"],
)
def test_program_ends_cleanly_whatever_is_under_way(script):
    assert ended(script) == (0, "", "")


@pytest.mark.local_model
def test_exit_status_of_the_program_is_kept():
    assert ended("half = begin(server); half[1].read(100); sys.exit(5)")[0] == 5


FORK = """
sys.stdout.flush()
child = os.fork()
if not child:
    mine = embedded_server(find_model())
    assert mine.base_url != server.base_url and mine.api_key != server.api_key
    {child}
    sys.exit(7)
print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), read(server, 4, False) > 0)
"""


@pytest.mark.local_model
@pytest.mark.parametrize("child", ["assert read(mine, 4, False)", "half = begin(mine); half[1].read(100)"])
def test_forked_child_has_its_own_server_and_both_end(child):
    code, out, _ = ended(FORK.format(child=child))
    assert (code, out) == (0, "child ended with 7 True\n")


@pytest.mark.local_model
def test_children_of_multiprocessing_have_their_own_servers():
    script = """
import multiprocessing
def work(queue):
    mine = embedded_server(find_model())
    queue.put((mine.base_url, read(mine, 4, False) > 0))
fork = multiprocessing.get_context("fork")
queue = fork.Queue()
children = [fork.Process(target=work, args=(queue,)) for _ in range(2)]
[child.start() for child in children]
answers = [queue.get(timeout=50) for _ in children]
[child.join(20) for child in children]
print(len({server.base_url, *dict(answers)}), [worked for _, worked in answers], [child.exitcode for child in children])
"""
    code, out, _ = ended(script)
    assert (code, out) == (0, "3 [True, True] [0, 0]\n")


# --- its pieces ------------------------------------------------------------------------------------------------


@pytest.mark.local_model
def test_stopped_server_is_gone_and_can_be_started_again():
    process, options = _llamacpp._Process(), _llamacpp._Options(find_model(), 256, 1, -1)
    first = process.server(options)
    process.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(first, "models")
    again = process.server(options)
    assert ask(again, "models")[0] == 200
    process.stop()


def test_forked_child_of_an_idle_process_has_nothing_to_forget():
    process = _llamacpp._Process()
    process.forget()
    process.stop()


def test_system_that_does_not_list_its_descriptors_is_left_alone(tmp_path):
    assert _llamacpp._cut_connections(1, tmp_path / "none") is False


def test_sockets_of_others_are_left_alone():
    one, two = socket.socketpair()
    with one, two, socket.create_server(("127.0.0.1", 0)) as other:
        assert _llamacpp._cut_connections(1) is True
        one.sendall(b"still open")
        assert two.recv(20) == b"still open"
        socket.create_connection(other.getsockname()).close()


@pytest.mark.local_model
def test_demo_streams_and_ranks():
    demo = Path(__file__).parents[2] / "examples" / "demo.py"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, demo],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    first, *_, rank, urgency, _, asked, warm, _, figures = done.stdout.splitlines()
    assert (first, rank) == ('say_something_about_movie(movie="Avengers")', 'rank(message="The server is down!")')
    assert isinstance(int(urgency), int)
    assert (asked, warm) == ('how_warm(city="Paris")', "18, for get_weather({'city': 'Paris'}) gave 18")
    assert figures.startswith("(")
    assert done.stderr == ""
