"""What is already stored: by declarai, by this version, by a newer one, and by others."""

import json

import pytest
from memory import raw
from memory.stores import DURABLE, SERVERS

from declarai_like.errors import HistoryError
from declarai_like.messages import Message

OLD = [Message("Hi", "user"), Message("Hello", "assistant"), Message("Bye", "user")]
OLD_RECORDS = [raw.message(message.message, str(message.role)) for message in OLD]
TURN = [Message("How many?"), Message("Vier ☃", "assistant", fields={"name": "n"})]
GOLDEN = (
    '{"v": 1, "turn": [{"message": "How many?", "role": "user"},'
    ' {"message": "Vier ☃", "role": "assistant", "name": "n"}]}'
)
REFUSED = {
    '{"v": 2, "turn": []}': "format 2; this version of declarai_like reads format 1: upgrade",
    '{"v": 1}': "without messages",
    '{"v": 1, "turn": {}}': "without messages",
    '{"v": 1, "turn": ["text"]}': "no message",
    '{"v": 1, "turn": [{"message": "x", "role": "wizard"}]}': "unknown role 'wizard', not system, ",
    '{"message": "x", "role": ["user"]}': "unknown role",
    '{"message": "x"}': "no message",
    '{"message": 1, "role": "user"}': "no message",
    '{"type": "human", "data": {"content": "x"}}': "no message",
    "7": "no message",
    "null": "damaged",
}

durable_store = pytest.mark.parametrize("store", DURABLE, indirect=True)
server_store = pytest.mark.parametrize("store", SERVERS, indirect=True)


@durable_store
def test_old_messages_are_read_and_continued(store, using):
    raw.put(store, *OLD_RECORDS)
    history = using(store.open())
    assert history.read() == OLD
    history.add(*TURN)
    assert history.read() == [*OLD, *TURN]
    history.replace(*TURN, OLD[0])
    assert history.read() == [*TURN, OLD[0]]
    history.clear()
    assert history.read() == []


@durable_store
@pytest.mark.parametrize("record", REFUSED)
def test_what_is_no_history_is_refused_and_kept(store, record, using):
    raw.put(store, OLD_RECORDS[0], record)
    history = using(store.open())
    with pytest.raises(HistoryError, match=REFUSED[record]):
        history.read()


@pytest.mark.parametrize("store", ["file", "sqlite", "redis", "mongodb"], indirect=True)
@pytest.mark.parametrize("record", ["no JSON", "[" * 100_000, '{"v": 1, "turn": [{"mess'], ids=["text", "deep", "torn"])
def test_what_is_no_json_is_refused(store, record):
    raw.put(store, OLD_RECORDS[0], record)
    with pytest.raises(HistoryError, match="not JSON"):
        len(store.open().history)


@pytest.mark.parametrize("store", ["file"], indirect=True)
def test_file_keeps_a_line_of_json_with_its_version(store):
    store.open().add_messages(TURN)
    assert raw.file_of(store).read_text(encoding="utf-8") == GOLDEN + "\n"


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_keeps_one_element_for_a_turn(store):
    store.open().add_messages(TURN)
    assert raw.in_redis(store, "lrange", 0, -1) == [GOLDEN.encode()]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_postgres_keeps_one_row_of_json_for_a_turn(store):
    store.open().add_messages(TURN)
    assert raw.in_postgres(store, "SELECT session_id, message FROM {table}") == [("s", json.loads(GOLDEN))]


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_mongodb_keeps_one_document_for_a_turn(store):
    store.open().add_messages(TURN)
    found = raw.in_mongodb(store, lambda collection: list(collection.find({}, {"_id": 0})))
    assert found == [{"SessionId": "s", "Seq": 0, "History": GOLDEN}]


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_document_without_history_is_refused(store):
    raw.in_mongodb(store, lambda collection: collection.insert_one({"SessionId": "s"}))
    with pytest.raises(HistoryError, match="not JSON"):
        len(store.open().history)
