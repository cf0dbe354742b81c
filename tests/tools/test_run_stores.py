import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from declarai_like import errors
from declarai_like.tools import InMemoryRuns, RunStore, SQLiteRuns
from declarai_like.tools.run_states import RunState


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    return InMemoryRuns() if request.param == "memory" else SQLiteRuns(tmp_path / "runs.db")


def test_it_keeps_what_was_committed(store):
    assert isinstance(store, RunStore)
    assert store.acquire("r") == (0, None)
    store.commit("r", 1, "one")
    store.commit("r", 2, "two")
    store.release("r")
    assert store.acquire("r") == (2, "two")


def test_one_run_is_worked_on_by_one_at_a_time(store):
    store.acquire("r")
    with pytest.raises(errors.RunBusy) as caught:
        store.acquire("r")
    assert caught.value.run_id == "r"
    store.acquire("other")
    store.release("r")
    store.acquire("r")


def test_release_of_what_is_not_held_does_nothing(store):
    store.release("r")
    assert store.acquire("r") == (0, None)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_version_that_is_not_the_next_is_refused(store, version):
    store.acquire("r")
    store.commit("r", 1, "one")
    with pytest.raises(errors.RunBusy):
        store.commit("r", version, "other")
    store.release("r")
    assert store.acquire("r") == (1, "one")


def test_of_threads_that_want_a_run_one_gets_it(store):
    got, start = [], threading.Barrier(8)

    def want():
        start.wait()
        try:
            store.acquire("r")
        except errors.RunBusy:
            return
        got.append(1)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1]


def test_old_runs_are_purged(store):
    store.acquire("old")
    store.commit("old", 1, "x")
    store.release("old")
    assert store.purge(older_than=3_600) == 0
    time.sleep(0.01)
    assert store.purge(older_than=0) == 1
    assert store.acquire("old") == (0, None)


def test_files_are_for_their_owner_only(tmp_path):
    store = SQLiteRuns(tmp_path / "runs.db")
    store.acquire("r")
    store.commit("r", 1, "x")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert repr(store) == f"SQLiteRuns({str(tmp_path / 'runs.db')!r})"


HOLD = """
import sys
from declarai_like.tools import SQLiteRuns
SQLiteRuns(sys.argv[1]).acquire("r")
print("held", flush=True)
sys.stdin.read()
"""


def test_run_of_a_process_that_was_killed_is_free(tmp_path):
    store = SQLiteRuns(tmp_path / "runs.db")
    child = subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-c", HOLD, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    )
    with child:
        assert child.stdout.readline().strip() == b"held"
        with pytest.raises(errors.RunBusy):
            store.acquire("r")
        child.kill()
        child.wait()
    assert store.acquire("r") == (0, None)


def test_runs_in_memory_are_not_pickled():
    import pickle

    with pytest.raises(errors.RunDiverged):
        pickle.dumps(InMemoryRuns())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"v": 2}', '{"v": 1, "run_id": "r", "nope": 1}'])
def test_text_that_is_no_state_is_refused(text):
    with pytest.raises(errors.RunDiverged):
        RunState.load(text)


class Left(str):
    """A state whose end closes another run, as the end of a call that the garbage collector closes does."""

    __slots__ = ()
    store = None

    def __del__(self):
        self.store.release("other")


def test_the_end_of_a_call_within_the_store_does_not_block_it():
    store = InMemoryRuns()
    Left.store = store
    store.acquire("other")
    store.acquire("r1")
    store.commit("r1", 1, Left("first"))
    store.commit("r1", 2, "second")
    assert store.acquire("other") == (0, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_takes_names_while_a_thread_of_its_parent_did(tmp_path):
    from declarai_like.tools import _process_locks

    path, ended = tmp_path / "names", threading.Event()

    def stay_inside():
        with _process_locks._lock:
            ended.wait(60)

    thread = threading.Thread(target=stay_inside)
    thread.start()
    child = os.fork()
    if not child:
        os._exit(0 if _process_locks.hold(path, "r1") else 1)
    _, status = os.waitpid(child, 0)
    ended.set()
    thread.join(60)
    assert os.waitstatus_to_exitcode(status) == 0


def test_names_are_taken_with_the_lock_of_a_child_process(tmp_path):
    from declarai_like.tools import _process_locks

    _process_locks._forget_lock()
    assert _process_locks.hold(tmp_path / "names", "r1")
    _process_locks.let_go(tmp_path / "names", "r1")
