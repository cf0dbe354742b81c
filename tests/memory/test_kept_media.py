"""Media in stored conversations: each once by its hash, read when it is needed, or only what it was."""

import asyncio
import json
import pickle
import sqlite3
import stat

import pytest
from media.samples import GIF, pdf, picture
from memory.stores import DURABLE

import declarai_like as declarai
from declarai_like import Document, File, Image, Message
from declarai_like.errors import HistoryError, MediaError
from declarai_like.media._parts import with_media
from declarai_like.memory import FileMessageHistory, InMemoryMessageHistory, SQLiteMessageHistory, as_memory
from declarai_like.testing import LLMServer

CAT, CONTRACT, ELSEWHERE = Image(GIF, name="cat.gif"), Document(pdf()), Image.url("https://a.example/x.png")
ASKED = with_media(Message("What is this?"), [CAT, CONTRACT, ELSEWHERE, File.id("file-1"), CAT])
TURN = [ASKED, Message("A cat", "assistant")]
every = pytest.mark.parametrize("store", DURABLE, indirect=True)


@every
def test_media_come_back_as_they_were(store, using):
    using(store.open()).add(*TURN)
    using(store.open()).add(*TURN)
    history = using(store.open()).read()
    assert history == TURN * 2
    assert [media.data for media in history[0].content[1:3]] == [GIF, CONTRACT.data]
    assert "base64" not in repr(history)


@every
def test_a_history_with_media_is_compared_replaced_and_cleared(store, using):
    using(store.open()).add(*TURN)
    history = using(store.open()).read()
    using(store.open()).compare_and_replace(history, *history, Message("And now?"))
    with pytest.raises(HistoryError, match="changed meanwhile"):
        using(store.open()).compare_and_replace(history)
    using(store.open()).replace(*history[:1])
    assert using(store.open()).read()[0].content[1].data == GIF
    using(store.open()).clear()
    assert using(store.open()).read() == []
    using(store.open()).clear()
    with pytest.raises(HistoryError, match="has lost the media sha256:dba4a5a1"):
        store.open()._load_media(CAT.digest)


@every
def test_without_keeping_them_only_what_they_were_is_stored(store, using):
    memory = store.open()
    memory.keep_media = False
    using(memory).add(*TURN)
    told, *_, elsewhere, known, _ = using(store.open()).read()[0].content[1:]
    assert told == {"type": "text", "text": "<Image image/gif 12 B sha256:dba4a5a1>"}
    assert (elsewhere, known) == (ELSEWHERE, File.id("file-1"))
    assert memory._get_media(CAT.digest) is None


@every
def test_conversations_share_no_media(store):
    store.open("one").add_messages(TURN)
    store.open("two").add_messages(TURN)
    store.open("one").clear()
    assert store.open("two").history[0].content[1].data == GIF
    assert store.open("one")._get_media(CAT.digest) is None


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_media_that_are_larger_than_a_document_are_kept_in_pieces(store):
    large = Document(b"x" * 17_000_000)
    store.open().add_messages([with_media(Message(""), [large])])
    assert store.open().history[0].content[0].data == large.data


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_media_are_forgotten_with_their_conversation(store):
    memory = store.open()
    memory.ttl = 3600
    memory.add_messages(TURN)
    with memory._client() as client:
        assert 0 < client.ttl(f"{memory.key}:media") <= 3600


def test_sqlite_keeps_each_once(tmp_path):
    for _ in range(3):
        SQLiteMessageHistory("s", tmp_path / "chats.db").add_messages(TURN)
    with sqlite3.connect(tmp_path / "chats.db") as database:
        rows = database.execute("SELECT sha256, length(data) FROM message_store_media").fetchall()
        records = database.execute("SELECT message FROM message_store").fetchall()
    assert sorted(rows) == sorted([(CAT.digest, 12), (CONTRACT.digest, CONTRACT.size)])
    assert all(CAT.base64() not in text for (text,) in records)


def test_files_keep_each_once_for_their_owner_only(tmp_path):
    memory = FileMessageHistory(tmp_path / "chat.json")
    memory.add_messages(TURN)
    memory.add_messages(TURN)
    folder = tmp_path / "chat.json.media"
    assert sorted(entry.name for entry in folder.iterdir()) == sorted([CAT.digest, CONTRACT.digest])
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    memory.clear()
    assert not folder.exists()


def test_a_disk_that_fails_is_told_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    memory = FileMessageHistory(tmp_path / "chat.json")
    monkeypatch.setattr("declarai_like.memory._media_folders.os.fsync", fails)
    with pytest.raises(HistoryError, match="cannot be written"):
        memory.add_messages(TURN)
    assert list((tmp_path / "chat.json.media").iterdir()) == []


def fails(_descriptor):
    raise OSError("no space left")


def test_files_that_were_changed_or_name_other_files_are_found_out(tmp_path):
    path = tmp_path / "chat.json"
    FileMessageHistory(path).add_messages(TURN)
    (tmp_path / "chat.json.media" / CAT.digest).write_bytes(picture())
    with pytest.raises(MediaError, match="but the bytes are image/png"):
        _ = FileMessageHistory(path).history[0].content[1].data
    path.write_text(path.read_text().replace(CAT.digest, "../../../etc/passwd"))
    with pytest.raises(HistoryError, match="has lost the media"):
        _ = FileMessageHistory(path).history[0].content[1].data


@pytest.mark.parametrize("change", [{"bytes": "many"}, {"bytes": None}])
def test_damaged_media_are_told(tmp_path, change):
    path = tmp_path / "chat.json"
    FileMessageHistory(path).add_messages(TURN)
    record = json.loads(path.read_text())
    record["turn"][0]["content"][1].update(change)
    path.write_text(json.dumps(record, separators=(", ", ": ")) + "\n")
    with pytest.raises(HistoryError, match="holds media that cannot be read"):
        _ = FileMessageHistory(path).history


def test_stored_media_are_pickled_by_content(tmp_path):
    memory = SQLiteMessageHistory("s", tmp_path / "chats.db")
    memory.add_messages(TURN)
    carried = pickle.dumps(memory.history)
    memory.clear()
    assert pickle.loads(carried)[0].content[1].data == GIF  # noqa: S301 - our own


def test_a_history_of_ones_own_may_keep_plain_data():
    class Own:
        def __init__(self):
            self.kept = []

        @property
        def history(self):
            return [json.loads(text) for text in self.kept]

        def add_message(self, message):
            self.kept.append(json.dumps(dict(message)))

        def clear(self):
            self.kept = []

    memory = as_memory(Own())
    memory.add_messages(TURN)
    assert memory.history == TURN


def image_of(recorded):
    content = recorded.body["messages"][-1 if len(recorded.body["messages"]) == 2 else 1]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


def bot_of(server, **options):
    llm = declarai.openai(model="m", openai_token="k", base_url=server.base_url)

    @llm.chat(**options)
    class Bot:
        """Be brief"""

    return Bot


@pytest.mark.parametrize("kind", ["sqlite", "file"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_picture_is_sent_again_in_later_turns_and_after_a_restart(tmp_path, kind, is_async):
    def memory():
        return (
            SQLiteMessageHistory("s", tmp_path / "c.db")
            if kind == "sqlite"
            else FileMessageHistory(tmp_path / "c.json")
        )

    def say(bot, *args, **kwargs):
        return asyncio.run(bot.asend(*args, **kwargs)) if is_async else bot.send(*args, **kwargs)

    with LLMServer(default="A cat") as server:
        bot = bot_of(server)(chat_history=memory())
        say(bot, "What is this?", files=[Image(GIF)])
        say(bot, "Sure?")
        say(bot_of(server)(chat_history=memory()), "Really?")
        assert [image_of(recorded) for recorded in server.requests] == [[Image(GIF).data_url()]] * 3
        bot.regenerate()
        assert image_of(server.requests[-1]) == [Image(GIF).data_url()]


def test_a_picture_that_is_not_kept_is_named_in_later_turns(tmp_path):
    with LLMServer(default="A cat") as server:
        bot = bot_of(server)(chat_history=SQLiteMessageHistory("s", tmp_path / "c.db", keep_media=False))
        bot.send("What is this?", files=[Image(GIF)])
        bot.send("Sure?")
        asked = server.requests[-1].body["messages"][1]["content"]
    assert [part["text"] for part in asked] == ["What is this?", "<Image image/gif 12 B sha256:dba4a5a1>"]


def test_a_fork_has_its_own_media(tmp_path):
    with LLMServer(default="A cat") as server:
        bot = bot_of(server)(chat_history=SQLiteMessageHistory("s", tmp_path / "c.db"))
        bot.send("What is this?", files=[Image(GIF)])
        other = bot.fork()
        bot.set_memory(InMemoryMessageHistory())
        SQLiteMessageHistory("s", tmp_path / "c.db").clear()
        other.send("Sure?")
        assert image_of(server.requests[-1]) == [Image(GIF).data_url()]
