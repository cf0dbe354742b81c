"""A file of finished rows: what stands in it, what a later run takes from it, and what no crash can spoil."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarai_like import errors
from declarai_like._outputs.output import Output
from declarai_like._rows.offsets import Offsets
from declarai_like._rows.row_records import error_of, record_of, row_of
from declarai_like.completions import Usage
from declarai_like.rows import Row
from declarai_like.testing import FakeLLM, LLMServer

SCRIPT = Path(__file__).with_name("checkpointed.py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ranks.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def failing(message):
    if message == "bad":
        raise errors.BadRequestError("no", status=400, code="c")
    return len(message)


def test_a_file_has_a_header_and_a_line_for_each_row(gather, make_task, path):
    gather(make_task(failing, llm_params={"temperature": 0}), ["a", "bad"], checkpoint=path)
    header, *rows = lines(path)
    assert header["format_version"] == 1
    assert (header["task"], header["provider"], header["model"]) == ("rank", "fake", "fake")
    assert header["params"] == {"temperature": 0}
    assert header.keys() == {"format_version", "task", "prompt_version", "provider", "model", "params", "schema"}
    by_index = {row["index"]: row for row in rows}
    assert by_index[0]["value"] == 1
    assert by_index[0]["seconds"] >= 0
    assert by_index[1]["error"] == {"name": "BadRequestError", "message": "no", "status": 400, "code": "c"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_file_is_its_owners_only(make_task, path):
    list(make_task().map(["a"], checkpoint=path))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_row_is_in_the_file_before_it_is_given(make_task, path):
    with make_task().map(["a", "aa"], checkpoint=path, concurrency=1) as rows:
        next(rows)
        assert lines(path)[1]["value"] == 1


def test_a_later_run_takes_finished_rows_from_the_file(gather, make_task, path):
    task = make_task(failing)
    gather(task, ["a", "bad", "aa"], checkpoint=path)
    again = make_task()
    rows = gather(again, ["aa", "bad", "aaaa", "a"], checkpoint=path)
    assert [(row.index, row.value, row.cached) for row in rows] == [
        (0, 2, True),
        (1, 3, False),
        (2, 4, False),
        (3, 1, True),
    ]
    assert len(again.llm.requests) == 2
    assert [row.cached for row in gather(make_task(), ["bad", "a"], checkpoint=path)] == [True, True]


def test_stored_errors_are_given_if_they_are_not_to_be_tried_again(gather, make_task, path):
    gather(make_task(failing), ["bad"], checkpoint=path)
    (row,) = gather(make_task(), ["bad"], checkpoint=path, retry_failed=False)
    assert isinstance(row.error, errors.BadRequestError)
    assert (str(row.error), row.error.status, row.error.code, row.cached) == ("no", 400, "c", True)


def test_a_stored_error_that_would_stop_the_map_does_not_stop_a_later_one(gather, make_task, path):
    def refusing(message):
        raise errors.AuthenticationError("no", status=401)

    with pytest.raises(errors.AuthenticationError):
        gather(make_task(refusing), ["a"], checkpoint=path)
    rows = gather(make_task(), ["a", "b"], checkpoint=path, retry_failed=False)
    assert [(row.value, type(row.error)) for row in rows] == [(None, errors.AuthenticationError), (1, type(None))]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"llm_params": {"temperature": 0.5}}, r"params was \{\}, and is \{'temperature': 0.5\}"),
        ({"model": "other"}, "model was 'fake', and is 'other'"),
        ({"system": "Be brief"}, "prompt_version was"),
    ],
)
def test_another_tasks_file_is_refused_and_what_differs_is_named(gather, make_task, path, change, named):
    gather(make_task(), ["a"], checkpoint=path)
    task = make_task().with_options(**change)
    with pytest.raises(errors.CheckpointMismatch, match=named):
        gather(task, ["a"], checkpoint=path)
    gather(make_task(), ["a"], checkpoint=path)


def test_fresh_begins_a_new_file_beside_the_old_one(gather, make_task, path):
    gather(make_task(), ["a"], checkpoint=path)
    old = path.read_bytes()
    for number in (1, 2):
        task = make_task()
        assert not gather(task.with_options(model=f"m{number}"), ["a"], checkpoint=path, fresh=True)[0].cached
    assert path.with_name("ranks.1.jsonl").read_bytes() == old
    assert path.with_name("ranks.2.jsonl").exists()
    assert lines(path)[0]["model"] == "m2"


@pytest.mark.parametrize("content", [b'{"a": 1}\n', b"hello\n", b"[]\n"])
def test_a_foreign_file_is_refused_and_left_alone(gather, make_task, path, content):
    path.write_bytes(content)
    with pytest.raises(errors.CheckpointMismatch, match="is no checkpoint of rows"):
        gather(make_task(), ["a"], checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [b"}\n", b'{"key": 5, "value": 1}\n', b'{"key": "k"}\n'])
def test_a_damaged_line_is_told(gather, make_task, path, damage):
    gather(make_task(), ["a"], checkpoint=path)
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(errors.CheckpointMismatch, match="the file is damaged there"):
        gather(make_task(), ["a"], checkpoint=path)


def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(make_task, path):
    list(make_task().map(["a", "aa"], checkpoint=path, concurrency=1))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        rows = list(make_task().map(["a", "aa"], checkpoint=path, concurrency=1))
        assert [row.value for row in rows] == [1, 2]
        assert len(lines(path)) == 3


def test_a_long_torn_line_is_cut_off(make_task, path):
    list(make_task().map(["a"], checkpoint=path))
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)
    list(make_task().map(["a"], checkpoint=path))
    assert path.read_bytes() == whole


def test_a_value_that_is_not_of_its_type_is_asked_again(gather, make_task, path, caplog):
    gather(make_task(), ["a"], checkpoint=path)
    path.write_bytes(path.read_bytes().replace(b'"value":1', b'"value":"x"'))
    assert [(row.value, row.cached) for row in gather(make_task(), ["a"], checkpoint=path)] == [(1, False)]
    assert "is asked again" in caplog.text


def test_another_map_of_the_same_file_is_refused(make_task, path):
    with make_task().map(["a"] * 3, checkpoint=path) as rows:
        next(rows)
        with pytest.raises(errors.CheckpointBusy, match="another map writes"):
            list(make_task().map(["a"], checkpoint=path))
    assert next(make_task().map(["a"], checkpoint=path)).cached


def test_a_file_that_cannot_be_opened_is_told(make_task, tmp_path):
    with pytest.raises(errors.ConfigurationError, match="cannot be opened"):
        list(make_task().map(["a"], checkpoint=tmp_path))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_disk_that_is_full_is_told(make_task):
    from declarai_like._rows.checkpoint_files import CheckpointFile

    file = CheckpointFile("/dev/full")
    with pytest.raises(errors.DeclaraiError, match="cannot be written: No space left"):
        file.append("x")
    with suppress(OSError):
        file.close()


def test_who_leaves_finds_what_has_finished_in_the_file(make_task, path):
    with make_task().map(map(str, range(100)), checkpoint=path, concurrency=4) as rows:
        for _ in range(10):
            next(rows)
    kept = len(lines(path)) - 1
    assert kept >= 10
    task = make_task()
    assert len(list(task.map(map(str, range(100)), checkpoint=path))) == 100
    assert len(task.llm.requests) == 100 - kept


def test_lines_reach_the_disk_each_second(path):
    from declarai_like._rows.checkpoint_files import CheckpointFile

    file = CheckpointFile(path)
    file._synced_at = before = time.monotonic() - 2
    file.append("{}")
    assert file._synced_at > before
    file.close()
    file.close()


@dataclass
class Point:
    x: float
    tags: set[str]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "é\n\ud800"),
        (bool, True),
        (float, 1.5),
        (float, float("inf")),
        (list[int], [1, 2]),
        (Point, Point(1.0, {"a"})),
        (dict[str, Point], {"p": Point(0.5, set())}),
        (int | None, None),
    ],
)
def test_values_come_back_as_they_were(annotation, value):
    output = Output.of(annotation)
    row = Row(3, "k", value=value, usage=Usage(1, 2, 3, {"cost": 0.5}, cache_read=1), seconds=0.5)
    line = json.dumps(record_of(row, output), ensure_ascii=False)
    again = row_of(json.loads(line.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")), output, 3)
    assert again == row


@pytest.mark.parametrize(("annotation", "data"), [(str, 5), (int, "5"), (bool, 1), (list[int], "x"), (Point, {})])
def test_data_of_another_type_is_refused(annotation, data):
    with pytest.raises(errors.OutputError, match="expected"):
        Output.of(annotation).of_data(data)


def test_foreign_errors_come_back_with_their_names():
    error = error_of({"name": "KeyError", "message": "'x'"})
    assert type(error) is errors.DeclaraiError
    assert str(error) == "KeyError: 'x'"
    assert str(error_of({"name": "OutputError", "message": "not 5"})) == "not 5"


@given(st.dictionaries(st.text(), st.integers(0, 2**40), max_size=50))
def test_offsets_are_found_again(places):
    table = Offsets()
    for key, offset in places.items():
        table.add(key, offset)
    assert all(offset in list(table.find(key)) for key, offset in places.items())
    assert list(table.find("another key that is not there")) == []


def test_keys_with_one_digest_are_told_apart(make_task, path):
    list(make_task().map(["a", "b"], checkpoint=path, key=str, concurrency=1))
    task = make_task()
    from declarai_like._rows.checkpoints import Checkpoint

    store = Checkpoint(task._as_rows(), path)
    (offset,) = store._offsets.find("b")
    store._offsets.add("a", offset)
    assert store.find("a", 0).key == "a"
    store.close()


def test_many_offsets_are_found_the_latest_first():
    table = Offsets()
    for number in range(5000):
        table.add(str(number % 2500), number)
    assert list(table.find("7")) == [2507, 7]


def start(server, path, count, concurrency=8):
    command = [sys.executable, str(SCRIPT), server.base_url, str(path), str(count), str(concurrency)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own


def answer(request):
    time.sleep(0.01)
    return "6"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize(
    ("count", "kills"), [(150, 2), pytest.param(1000, 20, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_killed_at_any_moment_each_row_is_there_once(tmp_path, count, kills):
    path, concurrency, chance = tmp_path / "sizes.jsonl", 8, random.Random(kills)  # noqa: S311 - no secret
    with LLMServer(default=answer) as server:
        for _ in range(kills):
            before = len(server.requests)
            child = start(server, path, count, concurrency)
            server.wait_requests(before + chance.randrange(1, count // (kills + 1)), 30)
            time.sleep(chance.random() * 0.05)
            child.kill()
            child.communicate()
        out, err = start(server, path, count, concurrency).communicate(timeout=60)
        assert out == f"done {count} {count * 6}", err
        assert len(server.requests) <= count + kills * concurrency
    kept = Counter(record["key"] for record in lines(path)[1:])
    assert len(kept) == count
    assert set(kept.values()) == {1}


def test_of_two_processes_with_one_file_one_is_refused(tmp_path):
    path = tmp_path / "sizes.jsonl"
    with LLMServer(default=answer) as server:
        first = start(server, path, 300, 1)
        assert server.wait_requests(1, 60)
        out, err = start(server, path, 300).communicate(timeout=60)
        assert out == "CheckpointBusy", err
        first.kill()
        first.communicate()
        out, err = start(server, path, 300).communicate(timeout=60)
        assert out == "done 300 1800", err


FORKING = """
import os, sys, time
from declarai_like._rows.checkpoint_files import CheckpointFile
file = CheckpointFile(sys.argv[1])
child = os.fork()
if not child:
    os.close(1), os.close(2)
    time.sleep(60)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_keep_the_file_of_a_parent_that_died(make_task, path):
    dead = subprocess.run([sys.executable, "-c", FORKING, path], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    try:
        assert list(make_task().map(["a"], checkpoint=path))
    finally:
        os.kill(int(dead.stdout), 9)


def test_texts_are_kept_as_they_are(gather, path):
    llm = FakeLLM(["5", "hello"])

    @llm.task
    def say(message: str) -> str:
        """Say"""

    gather(say, ["a", "b"], checkpoint=path, concurrency=1)
    assert [row["value"] for row in lines(path)[1:]] == ["5", "hello"]
