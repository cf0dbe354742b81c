"""What stands in a store behind the memory's back: the way other programs read and write it."""

import json
import sqlite3
from pathlib import Path

HERE = Path(__file__).parent


def put(store, *records):
    """Write records for the session "s", as declarai (or another version of us) would have left them."""
    _PUT[store.kind](store, records)


def in_redis(store, command, *arguments):
    import redis

    with redis.Redis.from_url(store.address) as client:
        return getattr(client, command)(f"{store.name}s", *arguments)


def in_postgres(store, statement, *arguments):
    import psycopg

    with psycopg.connect(store.address, autocommit=True) as connection:
        cursor = connection.execute(statement.format(table=f'"{store.name}"'), arguments)
        return cursor.fetchall() if cursor.description else None


def in_mongodb(store, act):
    import pymongo

    with pymongo.MongoClient(store.address) as client:
        return act(client.get_default_database("chat_history")[store.name])


def file_of(store):
    return Path(store.address) / "s.json"


def _put_in_file(store, records):
    file_of(store).write_text("".join(f"{record}\n" for record in records), encoding="utf-8")


def _put_in_sqlite(store, records):
    connection = sqlite3.connect(Path(store.address) / "chats.db")
    connection.execute(f'CREATE TABLE "{store.name}" (id INTEGER PRIMARY KEY, session_id TEXT, message TEXT)')
    rows = [("s", record) for record in records]
    connection.executemany(f'INSERT INTO "{store.name}" (session_id, message) VALUES (?, ?)', rows)  # noqa: S608 - our own
    connection.commit()
    connection.close()


def _put_in_redis(store, records):
    for record in records:  # declarai puts the newest in front
        in_redis(store, "lpush", record)


def _put_in_postgres(store, records):
    in_postgres(store, "CREATE TABLE {table} (id SERIAL PRIMARY KEY, session_id TEXT NOT NULL, message JSONB NOT NULL)")
    for record in records:
        in_postgres(store, "INSERT INTO {table} (session_id, message) VALUES (%s, %s)", "s", record)


def _put_in_mongodb(store, records):
    documents = [{"SessionId": "s", "History": record} for record in records]
    in_mongodb(store, lambda collection: collection.insert_many(documents))


_PUT = {
    "file": _put_in_file,
    "sqlite": _put_in_sqlite,
    "redis": _put_in_redis,
    "postgres": _put_in_postgres,
    "mongodb": _put_in_mongodb,
}


def message(text, role="user"):
    """A record of declarai's."""
    return json.dumps({"message": text, "role": role})
