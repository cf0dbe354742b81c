"""Every example is run as its reader would run it, and says what its reader would see."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from PIL import Image as Picture
from pypdf import PdfReader

from declarai_like.testing import broken_off, error_reply, stream_reply, text_reply

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))
SCRIPTS = [
    "movie_stream.py",
    "severity.py",
    "sentiment.py",
    "extraction.py",
    "sql_bot.py",
    "tools.py",
    "todo_list.py",
    "invoice.py",
]
LONGER = {"test_my_tasks.py", "demo.py"}  # a module of tests; the three things of `make demo`
STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment(**told):
    clean = {name: value for name, value in os.environ.items() if "OPENAI" not in name and "DECLARAI" not in name}
    return {**clean, "PYTHONUNBUFFERED": "1", **told}


def asking(server):
    """The environment of somebody whose key is for this server."""
    return environment(OPENAI_API_KEY="any", OPENAI_BASE_URL=server.base_url)


OFFLINE = environment(DECLARAI_OFFLINE="1")


def run(name, *arguments, cwd, env):
    command = [sys.executable, "-X", "utf8", EXAMPLES / name, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603 - our own examples


def printed(name, *arguments, cwd, env):
    done = run(name, *arguments, cwd=cwd, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def served(module, *, cwd, env):
    """The app of an example behind a real server, on a free port; gives its address."""
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        f"{module}:app",
        "--port",
        "0",
        "--app-dir",
        EXAMPLES,
        "--no-access-log",
    ]
    with subprocess.Popen(command, cwd=cwd, env=env, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own examples
        try:
            said = iter(process.stderr.readline, "")
            yield next(found[0] for line in said if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.terminate()


def get(url):
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - a server of ours
        return answer.read().decode()


def post(url, text):
    with urlopen(url, data=text.encode(), timeout=30) as answer:  # noqa: S310 - a server of ours
        return answer.read().decode()


# --- all of them


def test_every_example_is_in_the_list():
    listed = re.findall(r"^\| \[(\S+)\]\(\1\) \| .+ \|$", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted([*PROGRAMS, *(path.name for path in EXAMPLES.glob("*.ipynb"))])


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in LONGER])
def test_example_is_short(name):
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) <= 50


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_without_a_model(name, tmp_path):
    assert len(printed(name, cwd=tmp_path, env=OFFLINE)) > 20


@pytest.mark.local_model
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("movie_stream.py", r"\[\w+: \d+ tokens by SmolLM2"),
        ("severity.py", r"^5 "),
        ("todo_list.py", r"mine: \['milk', 'bread'\], yours: \[\]"),
    ],
)
def test_script_runs_on_the_embedded_model(name, shown, tmp_path):
    assert re.search(shown, printed(name, cwd=tmp_path, env=environment()))


def test_wrong_path_of_a_model_is_one_line(tmp_path):
    done = run("sql_bot.py", cwd=tmp_path, env=environment(DECLARAI_LOCAL_MODEL="nowhere.gguf"))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"sql_bot: there is no model file 'nowhere.gguf' .*\n", done.stderr)


# --- each of them, with an answer that is known


def test_movie_stream(server, tmp_path):
    server.enqueue(
        stream_reply(["A ship", " sinks."], usage={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13})
    )
    said = printed("movie_stream.py", "Titanic", cwd=tmp_path, env=asking(server))
    assert said == "A ship sinks.\n\n[complete: 4 tokens by gpt-4o-mini]\n"
    assert "Titanic" in server.requests[0].raw.decode()


def test_severity_puts_the_worst_first(server, tmp_path):
    server.enqueue(*(text_reply(json.dumps({"declarai_result": severity})) for severity in (2, 5, 3)))
    assert printed("severity.py", cwd=tmp_path, env=asking(server)) == (
        "5 Nobody can pay, the shop is down!\n3 A customer cannot log in\n2 There is a typo on the contact page\n"
    )


def test_sentiment_shows_its_prompt_and_the_labels(server, tmp_path):
    labels = ("positive", "negative", "neutral")
    server.enqueue(*(text_reply(json.dumps({"declarai_result": label})) for label in labels))
    said = printed("sentiment.py", cwd=tmp_path, env=asking(server))
    assert "Text: It is a lamp\nSentiment: neutral\n" in said
    assert said.endswith(
        "positive  What a wonderful present!\nnegative  I want my money back.\nneutral   It came on Tuesday.\n"
    )


def test_extraction_fills_a_table(server, tmp_path):
    order = '{"customer": {"name": "Anna Berg", "city": "Paris"}, "item": {"name": "lamp", "quantity": 3}, "priority": "urgent"}'
    server.enqueue(stream_reply(re.findall(r".{1,6}", order)))
    terminal = {**asking(server), "FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}
    frames = STYLES.sub("", printed("extraction.py", cwd=tmp_path, env=terminal)).split("┏")[1:]
    cells = [dict(re.findall(r"│ ([\w.]+) +│ (.*?) +│", frame)) for frame in frames]
    names = [cell["customer.name"] for cell in cells if cell.get("customer.name")]
    assert len(frames) > 5
    assert (names[0], names[-1]) == ("A", "Anna Berg")
    assert cells[-1] == {
        "customer.name": "Anna Berg",
        "customer.city": "Paris",
        "item.name": "lamp",
        "item.quantity": "3",
        "priority": "urgent",
    }


def test_sql_bot_goes_on_where_it_stopped(server, tmp_path):
    server.enqueue(stream_reply(["It reads rows."]), stream_reply(["SELECT 1"]))
    first, second = (printed("sql_bot.py", "kept.db", cwd=tmp_path, env=asking(server)) for _ in range(2))
    assert first.startswith("--- 0 questions are remembered")
    assert second.startswith(
        "--- 1 questions are remembered from earlier runs\nassistant: Hello, I help with SQL.\n"
        "user: What does SELECT do?\nassistant: It reads rows.\n--- now\nuser: Give me an example of it.\nassistant: SELECT 1\n"
    )
    assert [message["role"] for message in server.requests[1].body["messages"]] == [
        "system", "assistant", "user", "assistant", "user",
    ]  # fmt: skip


def test_sql_bot_without_a_folder_for_its_database_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = run("sql_bot.py", "file/kept.db", cwd=tmp_path, env=OFFLINE)
    assert done.returncode == 1
    assert re.fullmatch(r"sql_bot: .*'file/kept\.db'.*\n", done.stderr)


# --- a batch


class Ranking:
    """Ranks every message as 3, but refuses some; knows how many were asked at the same time."""

    def __init__(self, *, refused):
        self.refused = refused
        self.asked = self.most = self.now = 0
        self._lock = threading.Lock()
        self._full = threading.Event()

    def __call__(self, request):
        with self._lock:
            self.asked += 1
            self.now += 1
            self.most = max(self.most, self.now)
        if self.now == 4:
            self._full.set()
        self._full.wait(5)
        with self._lock:
            self.now -= 1
        if any(word in request.raw.decode() for word in self.refused):
            return error_reply(400, "this is not to be ranked")
        return text_reply('{"declarai_result": 3}')


def ranked(path):
    with path.open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_batch_makes_errors_rows_and_asks_for_them_again(server, tmp_path):
    server.default = first = Ranking(refused=["logo", "invoice"])
    done = run("batch_csv.py", EXAMPLES / "messages.csv", "ranked.csv", cwd=tmp_path, env=asking(server))
    rows = ranked(tmp_path / "ranked.csv")
    assert done.stderr.splitlines()[-1] == "8 of 8 rows"
    assert first.most == 4
    assert sorted(rows) == list("12345678")
    assert {key for key in rows if rows[key]["severity"] != "3"} == {"4", "7"}
    assert re.match("BadRequestError: .*not to be ranked", rows["4"]["error"])

    server.default = second = Ranking(refused=[])
    second._full.set()
    done = run("batch_csv.py", EXAMPLES / "messages.csv", "ranked.csv", cwd=tmp_path, env=asking(server))
    rows = ranked(tmp_path / "ranked.csv")
    assert second.asked == 2
    assert done.stderr.splitlines()[-2:] == ["1 of 2 rows", "2 of 2 rows"]
    assert {row["severity"] + row["error"] for row in rows.values()} == {"3"}


def test_batch_that_is_killed_has_kept_what_was_answered(server, tmp_path):
    server.enqueue(*[text_reply('{"declarai_result": 3}')] * 3)
    server.default = text_reply("", delay_before=60)
    command = [sys.executable, EXAMPLES / "batch_csv.py", EXAMPLES / "messages.csv", "ranked.csv"]
    with subprocess.Popen(command, cwd=tmp_path, env=asking(server), stderr=subprocess.PIPE) as process:  # noqa: S603 - our own examples
        assert process.stderr.read(36) == b"\r1 of 8 rows\r2 of 8 rows\r3 of 8 rows"
        process.kill()
    assert [row["severity"] for row in ranked(tmp_path / "ranked.csv").values()] == ["3"] * 3


# --- the web


def test_fastapi_app_answers_typed_and_streamed(server, tmp_path):
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    server.enqueue(text_reply('{"declarai_result": 5}'), stream_reply(["A ship", " sinks."], usage=usage))
    with served("fastapi_app", cwd=tmp_path, env=asking(server)) as url:
        assert get(f"{url}/rank?message={quote('Nobody can pay')}") == "5"
        events = get(f"{url}/about?movie=Titanic").split("\n\n")[:-1]
        assert "Rank the severity" not in get(f"{url}/openapi.json")  # the prompt is nobody's business
    steps = [json.loads(event.removeprefix("data: ")) for event in events]
    assert [step["response"] for step in steps] == ["", "A ship", "A ship sinks.", "A ship sinks."]
    assert [step["raw_response"]["choices"][0]["delta"].get("content") for step in steps] == [
        "",
        "A ship",
        " sinks.",
        None,
    ]
    assert (steps[-1]["outcome"], steps[-1]["usage"]["total_tokens"]) == ("complete", 13)


def test_fastapi_app_says_what_went_wrong(server, tmp_path):
    reply = stream_reply(["A ship", " sinks."])
    server.enqueue(error_reply(401, "no such key"), broken_off(reply, at=len(reply.writes[0]) + len(reply.writes[1])))
    with served("fastapi_app", cwd=tmp_path, env=asking(server)) as url:
        with pytest.raises(HTTPError, match="502") as caught:
            get(f"{url}/rank?message=Hi")
        events = get(f"{url}/about?movie=Titanic").split("\n\n")[:-1]
    assert "no such key" in json.loads(caught.value.read())["detail"]
    assert events[-1].startswith('event: error\ndata: {"detail": ')


def test_chat_page_keeps_each_browsers_conversation(server, tmp_path):
    server.enqueue(stream_reply(["Hi,", " Ada."]))
    with served("chat_page", cwd=tmp_path, env=asking(server)) as url:
        assert "<title>Chat</title>" in get(url)
        assert post(f"{url}/ada", "I am Ada") == "Hi, Ada."
        mine, other = (json.loads(get(f"{url}/{user}")) for user in ("ada", "grace"))
    assert [message["message"] for message in mine] == ["Hello, what can I do for you?", "I am Ada", "Hi, Ada."]
    assert other == mine[:1]


# --- the notebook


def cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name in os.environ.keys() - OFFLINE.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("DECLARAI_OFFLINE", "1")
    notebook = nbformat.read(EXAMPLES / "beginners_guide.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [cell.execution_count for cell in cells(notebook)] == list(range(1, len(cells(notebook)) + 1))


def test_notebook_is_stored_with_a_run_of_the_embedded_model():
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / "beginners_guide.ipynb", as_version=4)
    outputs = [output for cell in cells(notebook) for output in cell.outputs]
    assert all(cell.execution_count for cell in cells(notebook))
    assert {output.output_type for output in outputs} == {"execute_result", "stream"}
    assert "quantity=3" in json.dumps(outputs)
    assert str(Path.home()) not in json.dumps(notebook)


def test_approval_is_given_by_another_process_and_done_once(tmp_path):
    waiting = printed("approval.py", "ask", cwd=tmp_path, env=OFFLINE)
    assert "waiting: refund({'order': '7', 'amount': 250.0})" in waiting
    done = printed("approval.py", "approve", cwd=tmp_path, env=OFFLINE)
    assert done.count("refunding 250.00 for order 7") == 1
    assert done.count("Your 250 euros are on the way.") == 2


def test_invoices_are_sent_as_files_and_become_rows(server, tmp_path):
    seen = []

    def look(request):
        part = request.body["messages"][-1]["content"][-1]
        data = b64decode(
            (part.get("image_url") or {}).get("url", part.get("file", {}).get("file_data")).partition(",")[2]
        )
        seen.append(
            len(PdfReader(io.BytesIO(data)).pages) if data.startswith(b"%PDF") else Picture.open(io.BytesIO(data)).size
        )
        invoice = {"company": "Acme", "number": "7", "day": "2026-03-01", "total": 1.5, "currency": "EUR"}
        return text_reply(json.dumps(invoice))

    server.enqueue(look, look)
    said = printed("invoice.py", cwd=tmp_path, env=asking(server))
    assert said == "acme.pdf,Acme,7,2026-03-01,1.5,EUR\nbolt.png,Acme,7,2026-03-01,1.5,EUR\n"
    assert seen == [1, (300, 150)]


def test_map_demo_is_killed_and_goes_on(tmp_path):
    done = run("map_demo.py", "20", cwd=tmp_path, env=environment(DECLARAI_OFFLINE="1", TMPDIR=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert re.search(r"killed with \d+ of 20 rows in the checkpoint", done.stdout)
    assert "20 rows: " in done.stdout
