"""The queue before a conversation: who is let in, who waits, and who would wait for ever."""

import asyncio
import pickle
import sys
import threading
import weakref

import pytest

from declarai_like._calls.queues import FairQueue
from declarai_like.errors import HistoryError, LimitExceeded


class Reader:
    """Something that a weak reference can point to."""


def elsewhere(function, *args):
    """Run a function in another thread, and give what it gives."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


async def in_a_task(function, *args):
    async def calling():
        return function(*args)

    return await asyncio.create_task(calling())


@pytest.fixture
def turns():
    return FairQueue()


def test_first_one_is_let_in_at_once(turns):
    assert turns.enter().done()


def test_turn_that_is_over_lets_the_next_one_in(turns):
    turns.leave(turns.enter())
    assert turns.enter().done()


def test_waiting_ones_are_let_in_in_their_order(turns):
    speaking = turns.enter()
    first, second = elsewhere(turns.enter), elsewhere(turns.enter)
    turns.leave(speaking)
    assert (first.done(), second.done()) == (True, False)
    turns.leave(first)
    assert second.done()


def test_thread_does_not_wait_for_itself(turns):
    turns.enter()
    with pytest.raises(HistoryError, match="in the middle of a turn"):
        turns.enter()


def test_thread_does_not_wait_for_one_that_waits_in_it(turns):
    async def waiting():
        elsewhere(turns.enter)
        ticket = turns.aenter()
        with pytest.raises(HistoryError):
            await in_a_task(turns.enter)
        turns.give_up(ticket)
        return await in_a_task(turns.enter)

    assert asyncio.run(waiting()).running() is False


def test_task_does_not_wait_for_itself(turns):
    async def nesting():
        turns.aenter()
        with pytest.raises(HistoryError):
            turns.aenter()

    asyncio.run(nesting())


def test_task_waits_for_another_task_of_its_thread(turns):
    async def talking():
        turns.aenter()
        return await in_a_task(turns.aenter)

    assert asyncio.run(talking()).done() is False


def test_thread_without_a_loop_waits_for_a_task_elsewhere(turns):
    async def entering():
        return turns.aenter()

    elsewhere(asyncio.run, entering())
    assert turns.enter().done() is False


def test_task_waits_for_its_own_turn_that_nobody_can_read_any_more(turns):
    async def leaving():
        reader = Reader()
        turns.aenter(weakref.ref(reader))
        with pytest.raises(HistoryError):
            turns.aenter()
        del reader
        return turns.aenter()

    assert asyncio.run(leaving()).done() is False


def test_who_gives_up_is_passed_over(turns):
    speaking = turns.enter()
    first, second = elsewhere(turns.enter), elsewhere(turns.enter)
    turns.give_up(first)
    turns.leave(speaking)
    assert second.done()


def test_who_gives_up_too_late_hands_the_turn_on(turns):
    speaking = turns.enter()
    first, second = elsewhere(turns.enter), elsewhere(turns.enter)
    turns.leave(speaking)
    turns.give_up(first)
    assert second.done()


def test_with_takes_a_turn_in_this_thread(turns):
    with turns, pytest.raises(HistoryError):
        turns.enter()
    assert turns.enter().done()


def test_with_waits_for_the_turn_of_another(turns):
    speaking = elsewhere(turns.enter)
    threading.Timer(0.05, turns.leave, [speaking]).start()
    with turns, pytest.raises(HistoryError):
        turns.enter()


def test_with_that_is_interrupted_leaves_the_queue(turns):
    class Interrupted(BaseException): ...

    def interrupt(*_):
        raise Interrupted

    speaking = elsewhere(turns.enter)
    sys.setprofile(lambda frame, event, _: interrupt() if (event, frame.f_code.co_name) == ("call", "result") else None)
    try:
        with pytest.raises(Interrupted), turns:
            pass
    finally:
        sys.setprofile(None)
    turns.leave(speaking)
    assert turns.enter().done()


def test_event_loop_is_looked_for_only_if_there_can_be_one(turns, monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncio")
    assert turns.enter().done()


def test_pickled_queue_is_empty(turns):
    turns.enter()
    assert pickle.loads(pickle.dumps(turns)).enter().done()  # noqa: S301 - our own data


def test_several_places_are_taken_before_anybody_waits():
    places = FairQueue(2)
    assert [elsewhere(places.enter).done() for _ in range(3)] == [True, True, False]


def test_any_place_that_is_left_is_taken_by_the_next():
    places = FairQueue(2)
    _, second, third = (elsewhere(places.enter) for _ in range(3))
    places.leave(second)
    assert third.done()


def test_thread_that_holds_all_places_does_not_wait_for_itself():
    places = FairQueue(2)
    places.enter(), places.enter()
    with pytest.raises(LimitExceeded, match=r"all of max_concurrency=2 are streams of this very thread or task"):
        places.enter()


def test_thread_that_holds_some_of_the_places_waits_for_the_others():
    places = FairQueue(2)
    places.enter(), elsewhere(places.enter)
    assert not places.enter().done()


def test_pickled_places_are_as_many_and_empty():
    places = pickle.loads(pickle.dumps(FairQueue(2)))  # noqa: S301 - our own data
    assert [elsewhere(places.enter).done() for _ in range(3)] == [True, True, False]
