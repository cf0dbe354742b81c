"""What a memory does when a call's time is over, store by store."""

import time

import pytest

from declarai_like.errors import HistoryError
from declarai_like.memory import MongoDBMessageHistory, RedisMessageHistory
from declarai_like.memory._deadlines import run_with_deadline
from declarai_like.memory.mongodb import _refusing_others


def test_mongodb_is_given_the_time_that_the_call_has_left():
    history = MongoDBMessageHistory("s", "mongodb://127.0.0.1:1")
    assert "timeoutMS" not in history._limits
    limits = run_with_deadline(time.monotonic() + 5, 5.0, lambda: history._limits)
    assert 4_000 < limits["timeoutMS"] <= 5_000


def test_turn_that_another_one_stored_meanwhile_is_told_by_mongodb():
    from pymongo.errors import DuplicateKeyError

    with pytest.raises(HistoryError, match="another"), _refusing_others():
        raise DuplicateKeyError("E11000")


def test_turn_that_another_one_stored_meanwhile_is_told_by_redis():
    from redis import WatchError

    history = RedisMessageHistory("s", "redis://127.0.0.1:1")
    with pytest.raises(HistoryError, match="another"), history._failures("written"):
        raise WatchError


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_server_that_does_not_even_cancel_is_hung_up_on(store):
    import psycopg

    from declarai_like.memory.postgres import _hang_up

    with psycopg.connect(store.address) as connection:
        _hang_up(connection)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    _hang_up(connection)  # it is closed already: nothing happens
