"""The memories on servers: unreachable and restarted ones, passwords, and each one's own settings."""

import dataclasses
import gc
import pickle
import re
import subprocess
import sys
import traceback

import pytest
from memory import raw
from memory.servers import TEST_MONGODB_URL
from memory.stores import DURABLE, SERVERS, Store

from declarai_like.errors import ConfigurationError, HistoryError, MissingExtra
from declarai_like.memory import MongoDBMessageHistory, PostgresMessageHistory, RedisMessageHistory
from declarai_like.messages import Message

QUESTION, ANSWER = Message("How many?"), Message("Four", "assistant")
CANARY = "c4n4ry"
OURS_TO_RESTART = ["redis", "postgres", *([] if TEST_MONGODB_URL else ["mongodb"])]

# Nothing listens on the port 1; "nowhere" and the rest are what people mistype.
UNREACHABLE = [
    ("redis", f"redis://user:{CANARY}@127.0.0.1:1/0"),
    ("redis", f"redis://127.0.0.1:1/0?password={CANARY}"),
    ("redis", f"redis://user:{CANARY}/x@127.0.0.1:1/0"),
    ("redis", f"user:{CANARY}@127.0.0.1"),
    ("redis", f"http://user:{CANARY}@127.0.0.1"),
    ("postgres", f"postgresql://user:{CANARY}@127.0.0.1:1/db"),
    ("postgres", f"postgresql://user:p@{CANARY}@127.0.0.1:1/db"),
    ("postgres", f"postgresql://user:{CANARY}/x@127.0.0.1:1/db?connect_timeout=2"),
    ("postgres", f"postgresql://127.0.0.1:1/db?password={CANARY}"),
    ("postgres", f"host=127.0.0.1 port=1 password='{CANARY}' dbname=db"),
    ("postgres", f"host=127.0.0.1 port=1 password = {CANARY} dbname"),
    ("postgres", f"user:{CANARY}@127.0.0.1"),
    ("postgres", f"postgresql:/user:{CANARY}@127.0.0.1/db"),
    ("mongodb", f"user:{CANARY}@127.0.0.1"),
    ("mongodb", f"mongodb://user:{CANARY}%40@127.0.0.1:1/?serverSelectionTimeoutMS=50"),
    ("mongodb", f"mongodb://user:p@{CANARY}@127.0.0.1:1/?serverSelectionTimeoutMS=50"),
    ("mongodb", f"mongodb://user:{CANARY}/x@127.0.0.1:1/?serverSelectionTimeoutMS=50"),
]


@pytest.fixture
def collected():
    """Collects what pymongo leaves: the socket that a client is connecting with when it is closed."""
    yield
    gc.collect()


late_socket = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def failing(action):
    with pytest.raises(HistoryError) as failed:
        action()
    return failed.value


@late_socket
@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(("kind", "address"), UNREACHABLE)
def test_unreachable_server_is_a_clear_error_without_the_password(kind, address, using):
    history = using(Store(kind, address, "t").open())
    errors = [failing(history.read), failing(lambda: history.add(QUESTION)), failing(history.clear)]
    assert "cannot be read" in str(errors[0])
    assert "cannot be written" in str(errors[1])
    assert "cannot be cleared" in str(errors[2])
    shown = "".join("".join(traceback.format_exception(error)) for error in errors)
    assert CANARY not in shown
    assert not re.search(r"site-packages.(?!declarai_like)", shown)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_password_that_a_server_refuses_is_not_shown(store):
    address = store.address.replace("unix://", f"unix://user:{CANARY}@")
    error = failing(lambda: Store("redis", address, "t").open().history)
    assert "AuthenticationError" in str(error) or "ResponseError" in str(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize("kind", SERVERS)
def test_address_is_in_no_repr_and_no_pickle(kind):
    history = Store(kind, f"{kind}://user:{CANARY}@localhost/db", "t").open()
    assert CANARY not in repr(history) + repr(vars(history))
    with pytest.raises(ConfigurationError, match="not pickled"):
        pickle.dumps(history)


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("address", ["", None])
def test_address_that_is_none_is_refused(kind, address):
    with pytest.raises(ConfigurationError, match="must be a text"):
        Store(kind, address, "t").open()


@late_socket
@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("store", OURS_TO_RESTART, indirect=True)
def test_history_goes_on_after_its_server_was_restarted(store, request, using):
    server = request.getfixturevalue(store.kind)
    quickly = {"mongodb": "/?serverSelectionTimeoutMS=100"}.get(store.kind, "")
    history = using(dataclasses.replace(store, address=store.address + quickly).open())
    history.add(QUESTION)
    server.stop()
    try:
        failing(history.read)
        failing(lambda: history.add(QUESTION))
    finally:
        server.start()
    history.add(ANSWER)
    assert history.read() == [QUESTION, ANSWER]


FORK = """
import os, sys
from stores import Store
from declarai_like.messages import Message

history = Store(*sys.argv[1:]).open()
history.add_message(Message("parent"))
child = os.fork()
history.add_message(Message("both"))
if not child:
    os._exit(len(history.history) < 2)
sys.exit(os.waitpid(child, 0)[1] or [m.message for m in history.history] != ["parent", "both", "both"])
"""


@pytest.mark.parametrize("store", DURABLE, indirect=True)
def test_history_may_be_used_on_both_sides_of_a_fork(store):
    arguments = [store.kind, store.address, store.name]
    program = [sys.executable, "-c", FORK, *arguments]
    subprocess.run(program, check=True, cwd=raw.HERE, timeout=60)  # noqa: S603 - our own


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("RedisMessageHistory", "redis", "redis"),
        ("PostgresMessageHistory", "psycopg", "postgresql"),
        ("MongoDBMessageHistory", "pymongo", "mongodb"),
    ],
)
def test_missing_driver_is_named_with_its_extra(name, module, extra, monkeypatch):
    import declarai_like.memory

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf'needs {module} .*pip install "declarai-like\[{extra}\]"') as missing:
        getattr(declarai_like.memory, name)("s")
    assert isinstance(missing.value, ImportError)


def test_importing_the_memories_imports_no_driver():
    program = (
        "import sys, declarai_like.memory; sys.exit(bool({'redis', 'psycopg', 'pymongo', 'sqlite3'} & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_forgets_a_conversation_after_its_ttl(store, using):
    history = using(RedisMessageHistory("s", store.address, key_prefix=store.name, ttl=100))
    history.add(QUESTION)
    raw.in_redis(store, "expire", 10)
    history.add(ANSWER)
    assert 90 < raw.in_redis(store, "ttl") <= 100


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_keeps_a_conversation_without_ttl(store):
    history = store.open()
    history.add_message(QUESTION)
    assert raw.in_redis(store, "ttl") == -1
    assert history.key == f"{store.name}s"


@pytest.mark.parametrize("ttl", [0, -1])
def test_redis_ttl_must_be_in_the_future(ttl):
    with pytest.raises(ConfigurationError, match="ttl must be"):
        RedisMessageHistory("s", ttl=ttl)


def test_redis_prefix_may_be_empty_and_dotted():
    assert RedisMessageHistory("s", key_prefix="").key == "s"
    assert RedisMessageHistory("s", key_prefix="1.a-b:c_").key == "1.a-b:c_s"


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_texts_are_read_when_the_address_asks_for_decoding(store):
    store.open().add_message(QUESTION)
    decoding = Store("redis", f"{store.address}?decode_responses=True", store.name)
    assert decoding.open().history == [QUESTION]


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_redis_key_of_another_type_is_refused_and_kept(store):
    raw.in_redis(store, "set", "value")
    history = store.open()
    failing(lambda: history.history)
    failing(lambda: history.add_message(QUESTION))
    assert raw.in_redis(store, "get") == b"value"


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_postgres_table_of_another_program_is_refused(store):
    raw.in_postgres(store, "CREATE TABLE {table} (id INTEGER)")
    history = store.open()
    assert 'column "message" does not exist' in str(failing(lambda: history.history))
    assert "cannot be written" in str(failing(lambda: history.add_message(QUESTION)))


def test_postgres_waits_as_long_as_its_address_says():
    assert PostgresMessageHistory("s", "host=h connect_timeout=3")._limits == {}
    assert PostgresMessageHistory("s", "host=h")._limits == {"connect_timeout": 10}


def database_of(history, client_of, collection_of):
    with client_of() as client:
        return collection_of(client).database.name


@pytest.mark.parametrize(
    ("address", "argument", "used"),
    [
        ("mongodb://localhost:1", None, "chat_history"),
        ("mongodb://localhost:1/mydatabase", None, "mydatabase"),
        ("mongodb://localhost:1/mydatabase", "other-one", "other-one"),
    ],
)
def test_mongodb_database_is_the_argument_or_in_the_address(address, argument, used):
    history = MongoDBMessageHistory("s", address, database_name=argument)
    assert database_of(history, history._client, history._collection) == used


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_mongodb_keeps_the_history_in_the_database_of_the_address(store, using):
    named = Store("mongodb", f"{store.address}/mydatabase", store.name)
    history = using(named.open())
    history.add(QUESTION)
    assert history.read() == [QUESTION]
    other = MongoDBMessageHistory("s", store.address, database_name="mydatabase", collection_name=store.name)
    assert using(other).read() == [QUESTION]
    assert using(store.open()).read() == []


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_mongodb_unique_index_of_another_program_is_named(store, using):
    raw.in_mongodb(store, lambda collection: collection.create_index("SessionId", unique=True))
    history = using(store.open())
    history.add(QUESTION)
    assert "unique index of another program" in str(failing(lambda: history.add(ANSWER)))
    assert history.read() == [QUESTION]
