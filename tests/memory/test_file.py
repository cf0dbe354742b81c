"""The file memory: torn, damaged and foreign files, full disks, locks, and the cost of a turn."""

import logging
import os
import stat
import subprocess
import sys
import threading

import psutil
import pytest

from declarai_like.errors import HistoryError
from declarai_like.memory import FileMessageHistory
from declarai_like.memory._locks import locked
from declarai_like.messages import Message

QUESTION, ANSWER = Message("Wie ☃ viele?"), Message("Four", "assistant")
LINE = '{"v": 1, "turn": [{"message": "Wie ☃ viele?", "role": "user"}]}\n'.encode()
LIST = '[{"message": "Wie ☃ viele?", "role": "user"}]'.encode()
PRETTY_LIST = '[\n  {\n    "message": "Wie ☃ viele?",\n    "role": "user"\n  }\n]'.encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chat.json"


def written(path, data):
    path.write_bytes(data)
    return FileMessageHistory(path)


@pytest.mark.parametrize("data", [b"", b"\n", b" ", b"[]", b"[]\n", b" [ ]"])
def test_file_with_nothing_in_it_is_an_empty_history(path, data):
    history = written(path, data)
    assert history.history == []
    history.add_message(QUESTION)
    assert history.history == [QUESTION]


@pytest.mark.parametrize("data", [LIST, LIST + b"\n", b"\n" + PRETTY_LIST, PRETTY_LIST + b"\r\n"])
def test_list_is_continued_without_being_rewritten(path, data):
    history = written(path, data)
    history.add_message(ANSWER)
    history.add_message(ANSWER)
    assert history.history == [QUESTION, ANSWER, ANSWER]
    assert path.read_bytes().startswith(data)


def test_torn_last_line_is_left_out_with_a_warning(path, caplog):
    history = written(path, LINE + LINE[:-9])
    assert history.history == [QUESTION]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"torn line of {len(LINE) - 9} bytes" in caplog.text
    assert path.read_bytes() == LINE + LINE[:-9]


def test_line_torn_anywhere_is_removed_by_the_next_write(path):
    torn = [LINE[:length] for length in range(1, len(LINE) - 1)]
    kept = []
    for tail in [*torn, b"\0" * 99, LINE[:40] + b"\0" * 99]:
        history = written(path, LINE + tail)
        history.add_message(ANSWER)
        kept.append(history.history)
    assert kept == [[QUESTION, ANSWER]] * (len(torn) + 2)


def test_line_torn_within_a_character_behind_a_list_is_removed(path, caplog):
    torn = LINE[: LINE.index("☃".encode()) + 1]
    history = written(path, LIST + b"\n" + torn)
    history.add_message(ANSWER)
    assert history.history == [QUESTION, ANSWER]
    assert f"torn line of {len(torn)} bytes, which was removed" in caplog.text


def test_whole_line_that_lacks_only_its_end_is_kept(path):
    history = written(path, LINE[:-1])
    history.add_message(ANSWER)
    assert history.history == [QUESTION, ANSWER]


@pytest.mark.parametrize(
    "data",
    [
        b"Dear diary",
        b"Dear diary\n",
        LINE + b"Dear diary",
        b"\x89PNG\r\n\0",
        LIST[:-3],
        LIST + b"Dear diary",
        b'["Dear diary"]',
    ],
    ids=["text", "line of text", "text behind", "binary", "broken list", "list and text", "list of text"],
)
def test_file_that_is_no_history_is_refused_and_kept(path, data):
    history = written(path, data)
    with pytest.raises(HistoryError, match=r"chat\.json.* nothing was changed"):
        len(history.history)
    with pytest.raises(HistoryError, match="nothing was changed"):
        history.add_message(ANSWER)
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [LINE, LIST], ids=["lines", "list"])
def test_past_is_replaced_by_appending(path, data):
    history = written(path, data)
    history.replace([ANSWER])
    assert history.history == [ANSWER]
    assert path.read_bytes().startswith(data)
    assert path.read_bytes().endswith(b'"role": "assistant"}], "replaces": true}\n')


def test_missing_folder_is_made(tmp_path):
    history = FileMessageHistory(tmp_path / "new" / "folder" / "chat.json")
    history.add_message(QUESTION)
    assert history.history == [QUESTION]


def test_new_file_is_readable_by_its_owner_only(path):
    FileMessageHistory(path).add_message(QUESTION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_and_clearing_make_no_file(path):
    history = FileMessageHistory(path)
    history.clear()
    assert history.history == []
    assert not path.exists()


def test_without_a_path_a_temporary_file_is_used_and_named(caplog):
    history = FileMessageHistory()
    history.add_message(QUESTION)
    assert str(history.file_path) in caplog.text
    assert FileMessageHistory(history.file_path).history == [QUESTION]
    history.file_path.unlink()


def test_path_may_be_text_as_in_declarai(path):
    FileMessageHistory(file_path=str(path)).add_message(QUESTION)
    assert path.exists()


def test_folder_in_place_of_the_file_is_a_clear_error(tmp_path):
    history = FileMessageHistory(tmp_path)
    with pytest.raises(HistoryError, match="cannot be read: Is a directory"):
        len(history.history)
    with pytest.raises(HistoryError, match="cannot be written: Is a directory"):
        history.add_message(QUESTION)
    with pytest.raises(HistoryError, match="cannot be cleared: Is a directory"):
        history.clear()


def test_full_device_is_a_clear_error():
    with pytest.raises(HistoryError, match="cannot be written: No space left on device"):
        FileMessageHistory("/dev/full").add_message(QUESTION)


FILL = """
import resource, sys
from declarai_like.errors import HistoryError
from declarai_like.memory import FileMessageHistory
from declarai_like.messages import Message

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    FileMessageHistory(sys.argv[1]).add_messages([Message("x" * 2000)])
except HistoryError as error:
    print(error)
"""


def test_disk_that_fills_within_a_turn_leaves_the_old_file(path):
    history = written(path, LINE)
    program = [sys.executable, "-c", FILL, path]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    assert "cannot be written: File too large; it is as it was before" in said
    assert path.read_bytes() == LINE
    assert history.history == [QUESTION]


def test_writer_waits_for_another(path):
    history = written(path, LINE)
    with path.open("rb") as other:
        started = threading.Event()
        holding = locked(other.fileno(), timeout=1)
        holding.__enter__()
        threading.Timer(0.05, lambda: (started.set(), holding.__exit__(None, None, None))).start()
        history.add_message(ANSWER)
        assert started.is_set()
    assert history.history == [QUESTION, ANSWER]


def test_writer_that_waits_too_long_gives_up(path):
    history = written(path, LINE)
    history.lock_timeout = 0.05
    with path.open("rb") as other, locked(other.fileno(), shared=True, timeout=1):
        assert history.history == [QUESTION]
        with pytest.raises(HistoryError, match=r"locked for 0\.05 seconds"):
            history.add_message(ANSWER)


def test_thousand_turns_cost_the_same_from_the_first_to_the_last(path):
    history = FileMessageHistory(path)
    turn = [Message("x" * 50), Message("y" * 50, "assistant")]
    process = psutil.Process()

    def cost(turns):
        before = process.io_counters()
        for _ in range(turns):
            history.add_messages(turn)
        after = process.io_counters()
        return (after.read_chars - before.read_chars, after.write_chars - before.write_chars)

    cost(1)
    first, _, last = cost(200), cost(599), cost(200)
    assert last[0] <= first[0] + 2000  # this measuring itself reads a little
    assert last[1] <= first[1] + 2000
    assert len(history.history) == 2000


def test_name_of_a_file_is_only_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FileMessageHistory("a'b;c\n.json").add_message(QUESTION)
    assert os.listdir(tmp_path) == ["a'b;c\n.json"]  # noqa: PTH208 - the name itself is of interest
