"""What every memory does, each on the real thing (see servers.py for MongoDB)."""

import dataclasses

import pytest
from memory.stores import DURABLE, SERVERS

from declarai_like.errors import ConfigurationError, HistoryError
from declarai_like.messages import Message

QUESTION = Message("How many?", "user")
ANSWER = Message("Four", "assistant")
CALL = Message("", "assistant", fields={"tool_calls": [{"id": "c", "function": {"name": "f.$x", "arguments": "{}"}}]})
RESULT = Message("[1.5, null]", "tool", fields={"tool_call_id": "c", "name": "f"})
CUT = Message("Fo", "assistant", interrupted=True)
PINNED = Message("Never delete", "system", pinned=True)

ODD_TEXTS = [
    "",
    "two\nlines\r\nand\u2028more",
    "NUL \0 inside",
    "cut emoji \ud83d",
    "emoji 😀 עברית",
    r"spelled \u0000 \ud800",
    "'; DROP TABLE message_store; --",
    "{{ 7*7 }} $where %s {table}",
    "x" * 300_000,
]
ODD_SESSIONS = [
    "x'; DROP TABLE t; --",
    "../../id",
    "two\r\nlines",
    '"quoted"',
    "a:b*?[c]",
    "😀",
    "$ne",
    "%s",
    "i" * 512,
]

every_store = pytest.mark.parametrize("store", ["in_memory", "own", *DURABLE], indirect=True)
durable_store = pytest.mark.parametrize("store", DURABLE, indirect=True)
session_store = pytest.mark.parametrize("store", ["sqlite", *SERVERS], indirect=True)


@every_store
def test_new_history_is_empty(store, using):
    assert using(store.open()).read() == []


@every_store
def test_turns_are_given_back_in_order(store, using):
    history = using(store.open())
    history.add(QUESTION, ANSWER)
    history.add(PINNED, QUESTION, CALL, RESULT, CUT)
    assert history.read() == [QUESTION, ANSWER, PINNED, QUESTION, CALL, RESULT, CUT]


@every_store
def test_single_messages_are_turns_too(store):
    history = store.open()
    history.add_message(QUESTION)
    history.add_message(ANSWER)
    assert history.history == [QUESTION, ANSWER]


@every_store
def test_empty_turn_changes_nothing(store, using):
    history = using(store.open())
    history.add()
    assert history.read() == []


@every_store
def test_cleared_history_is_empty_and_goes_on(store, using):
    history = using(store.open())
    history.add(QUESTION, ANSWER)
    history.clear()
    history.clear()
    history.add(CUT)
    assert history.read() == [CUT]


@every_store
def test_clearing_what_was_never_written_is_fine(store, using):
    history = using(store.open())
    history.clear()
    assert history.read() == []


@every_store
def test_replaced_history_goes_on(store, using):
    history = using(store.open())
    history.add(QUESTION, ANSWER)
    history.replace(CUT)
    history.add(ANSWER)
    assert history.read() == [CUT, ANSWER]


@every_store
def test_history_may_be_replaced_by_nothing_or_from_nothing(store, using):
    history = using(store.open())
    history.replace(QUESTION)
    history.replace()
    assert history.read() == []


@durable_store
def test_replacement_without_json_leaves_the_history(store, using):
    history = using(store.open())
    history.add(QUESTION)
    with pytest.raises(HistoryError, match="plain JSON"):
        history.replace(Message("", fields={"name": object()}))
    assert history.read() == [QUESTION]


@every_store
def test_what_is_given_is_a_copy(store):
    history = store.open()
    history.add_messages([QUESTION])
    history.history.clear()
    assert history.history == [QUESTION]


@every_store
@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:20])
def test_any_text_is_kept_as_it_is(store, text):
    history = store.open()
    history.add_messages([Message(text), ANSWER])
    assert history.history == [Message(text), ANSWER]


@durable_store
def test_conversation_continues_in_a_new_object(store, using):
    store.open().add_messages([QUESTION, ANSWER])
    history = using(store.open())
    history.add(CUT)
    assert store.open().history == [QUESTION, ANSWER, CUT]


@durable_store
def test_message_without_json_is_refused_whole(store, using):
    history = using(store.open())
    with pytest.raises(HistoryError, match="plain JSON"):
        history.add(QUESTION, Message("", fields={"tool_calls": {object()}}))
    assert history.read() == []


@durable_store
def test_number_without_json_is_refused(store):
    with pytest.raises(HistoryError, match="plain JSON"):
        store.open().add_message(Message("", fields={"score": float("nan")}))


@session_store
@pytest.mark.parametrize("session", ODD_SESSIONS, ids=lambda session: ascii(session)[:20])
def test_any_session_id_is_only_data(store, session, using):
    history, neighbour = using(store.open(session)), store.open()
    neighbour.add_messages([ANSWER])
    history.add(QUESTION)
    assert history.read() == [QUESTION]
    history.clear()
    assert neighbour.history == [ANSWER]


@session_store
@pytest.mark.parametrize(
    "session", ["", None, 7, "a\0b", "a\ud800", "i" * 513], ids=lambda session: ascii(session)[:20]
)
def test_session_id_that_a_store_cannot_hold_is_refused(store, session):
    with pytest.raises(ConfigurationError, match="session_id must"):
        store.open(session)


@session_store
@pytest.mark.parametrize(
    "name", ["x; DROP TABLE t", 'a"b', "a b", "../a", "a\n", "x" * 300, None], ids=lambda name: ascii(name)[:20]
)
def test_name_outside_the_allow_list_is_refused(store, name):
    with pytest.raises(ConfigurationError, match="must match"):
        dataclasses.replace(store, name=name).open()


@session_store
def test_repr_names_the_session(store):
    assert "'my session'" in repr(store.open("my session"))
