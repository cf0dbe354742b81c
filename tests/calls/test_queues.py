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


def entered(queue):
    ticket = queue.ticket()
    queue.enter(ticket)
    return ticket


def aentered(queue, reader=None):
    ticket = queue.ticket(reader)
    queue.aenter(ticket)
    return ticket


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
    assert entered(turns).done()


def test_turn_that_is_over_lets_the_next_one_in(turns):
    turns.leave(entered(turns))
    assert entered(turns).done()


def test_waiting_ones_are_let_in_in_their_order(turns):
    speaking = entered(turns)
    first, second = elsewhere(entered, turns), elsewhere(entered, turns)
    turns.leave(speaking)
    assert (first.done(), second.done()) == (True, False)
    turns.leave(first)
    assert second.done()


def test_thread_does_not_wait_for_itself(turns):
    entered(turns)
    with pytest.raises(HistoryError, match="in the middle of a turn"):
        entered(turns)


def test_thread_does_not_wait_for_one_that_waits_in_it(turns):
    async def waiting():
        elsewhere(entered, turns)
        ticket = aentered(turns)
        with pytest.raises(HistoryError):
            await in_a_task(entered, turns)
        turns.leave(ticket)
        return await in_a_task(entered, turns)

    assert asyncio.run(waiting()).running() is False


def test_task_does_not_wait_for_itself(turns):
    async def nesting():
        aentered(turns)
        with pytest.raises(HistoryError):
            aentered(turns)

    asyncio.run(nesting())


def test_task_waits_for_another_task_of_its_thread(turns):
    async def talking():
        aentered(turns)
        return await in_a_task(aentered, turns)

    assert asyncio.run(talking()).done() is False


def test_thread_without_a_loop_waits_for_a_task_elsewhere(turns):
    async def entering():
        return aentered(turns)

    elsewhere(asyncio.run, entering())
    assert entered(turns).done() is False


def test_task_waits_for_its_own_turn_that_nobody_can_read_any_more(turns):
    async def leaving():
        reader = Reader()
        aentered(turns, weakref.ref(reader))
        with pytest.raises(HistoryError):
            aentered(turns)
        del reader
        return aentered(turns)

    assert asyncio.run(leaving()).done() is False


def test_who_gives_up_is_passed_over(turns):
    speaking = entered(turns)
    first, second = elsewhere(entered, turns), elsewhere(entered, turns)
    turns.leave(first)
    turns.leave(speaking)
    assert second.done()


def test_who_gives_up_too_late_hands_the_turn_on(turns):
    speaking = entered(turns)
    first, second = elsewhere(entered, turns), elsewhere(entered, turns)
    turns.leave(speaking)
    turns.leave(first)
    assert second.done()


def test_work_is_done_in_a_turn_of_this_thread(turns):
    def work():
        with pytest.raises(HistoryError):
            entered(turns)
        return "done"

    assert turns.run(work) == "done"
    assert entered(turns).done()


def test_work_waits_for_the_turn_of_another(turns):
    speaking = elsewhere(entered, turns)
    threading.Timer(0.05, turns.leave, [speaking]).start()
    assert turns.run(lambda: speaking in turns._tickets) is False


def test_work_that_fails_leaves_the_queue(turns):
    with pytest.raises(ZeroDivisionError):
        turns.run(lambda: 1 / 0)
    assert entered(turns).done()


def test_turn_is_left_once_however_often_it_is_given_back(turns):
    speaking = entered(turns)
    first, second = elsewhere(entered, turns), elsewhere(entered, turns)
    turns.leave(speaking)
    turns.leave(speaking)
    assert (first.done(), second.done()) == (True, False)


def test_ticket_that_was_never_used_can_be_given_back(turns):
    turns.leave(turns.ticket())
    assert entered(turns).done()


def test_event_loop_is_looked_for_only_if_there_can_be_one(turns, monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncio")
    assert entered(turns).done()


def test_pickled_queue_is_empty(turns):
    entered(turns)
    assert entered(pickle.loads(pickle.dumps(turns))).done()  # noqa: S301 - our own data


def test_several_places_are_taken_before_anybody_waits():
    places = FairQueue(2)
    assert [elsewhere(entered, places).done() for _ in range(3)] == [True, True, False]


def test_any_place_that_is_left_is_taken_by_the_next():
    places = FairQueue(2)
    _, second, third = (elsewhere(entered, places) for _ in range(3))
    places.leave(second)
    assert third.done()


def test_thread_that_holds_all_places_does_not_wait_for_itself():
    places = FairQueue(2)
    entered(places), entered(places)
    with pytest.raises(LimitExceeded, match=r"all of max_concurrency=2 are streams of this very thread or task"):
        entered(places)


def test_thread_that_holds_some_of_the_places_waits_for_the_others():
    places = FairQueue(2)
    entered(places), elsewhere(entered, places)
    assert not entered(places).done()


def test_pickled_places_are_as_many_and_empty():
    places = pickle.loads(pickle.dumps(FairQueue(2)))  # noqa: S301 - our own data
    assert [elsewhere(entered, places).done() for _ in range(3)] == [True, True, False]
