"""Maps on days when much goes wrong, and maps that are long."""

import itertools
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import psutil
import pytest

import declarai_like as declarai
from declarai_like import errors
from declarai_like.testing import LLMServer, error_reply


def ask_model(server, **options):
    llm = declarai.openai(model=f"m{time.monotonic()}", base_url=server.base_url, openai_token="k", **options)

    @llm.task
    def rank(message: str) -> int:
        """Rank the severity"""

    return rank


def test_three_in_ten_fail_and_all_rows_are_there(gather):
    chance, lock = random.Random(5), threading.Lock()  # noqa: S311 - no secret
    failed = Counter()

    def answer(request):
        with lock:
            fails = chance.random() < 0.3 and failed[request.raw] < 8
            failed[request.raw] += fails
        return error_reply(500, "down") if fails else "5"

    with LLMServer(default=answer) as server:
        rank = ask_model(server, middlewares=[declarai.retry(8, first_wait=0.001, longest_wait=0.01)])
        rows = gather(rank, map(str, range(300)))
    assert [row.value for row in rows] == [5] * 300
    assert 60 < sum(len(row.attempts) for row in rows) < 300


def test_a_key_that_is_not_accepted_stops_at_once(gather):
    with LLMServer(default=error_reply(401, "no such key")) as server:
        with pytest.raises(errors.AuthenticationError):
            gather(ask_model(server), map(str, range(10_000)))
        assert len(server.requests) <= 8


def test_one_poison_row_is_one_failed_row(gather):
    def answer(request):
        return error_reply(400, "no") if "poison" in request.raw.decode() else "5"

    with LLMServer(default=answer) as server:
        rows = gather(ask_model(server), [*map(str, range(100)), "poison", *map(str, range(100, 200))])
    assert [row.index for row in rows if row.error] == [100]
    assert isinstance(rows[100].error, errors.BadRequestError)


def test_a_busy_server_is_asked_less(gather):
    """It takes two at a time, and says 503 to more."""
    running, lock = [0], threading.Lock()

    def answer(request):
        with lock:
            running[0] += 1
            too_many = running[0] > 2
        time.sleep(0.005)
        with lock:
            running[0] -= 1
        return error_reply(503, "busy") if too_many else "5"

    with LLMServer(default=answer) as server:
        rank = ask_model(server, middlewares=[declarai.retry(20, first_wait=0.001, longest_wait=0.02)])
        rows = gather(rank, map(str, range(100)), concurrency=16)
    assert [row.value for row in rows] == [5] * 100


LONG = """
    import sys, psutil
    import declarai_like as declarai

    class Fast(declarai.BaseLLM):
        def predict(self, messages, stream=False, **params):
            return declarai.LLMResponse(response="5")

    declarai.register_llm("fast", Fast)
    llm = declarai.Declarai(provider="fast", model="m")

    @llm.task
    def rank(message: str) -> int:
        "Rank"

    count, file = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    sizes = []
    for row in rank.map((f"m{n}" for n in range(count)), checkpoint=file, progress=False):
        assert row.value == 5, row.error
        if row.index in (count // 5, count - 1):
            sizes.append(psutil.Process().memory_info().rss)
    print(row.index, sizes[1] - sizes[0])
"""


@pytest.mark.parametrize(
    ("count", "most"), [(3000, 4e6), pytest.param(100_000, 8e6, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_memory_does_not_grow_with_the_rows(count, most):
    command = [sys.executable, "-c", textwrap.dedent(LONG), str(count)]
    last, grown = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())  # noqa: S603 - our own
    assert last == count - 1
    assert grown < most


INTERRUPTED = """
    import sys
    import declarai_like as declarai

    llm = declarai.openai(model="m", base_url=sys.argv[1], openai_token="k")

    @llm.task
    def rank(message: str) -> int:
        "Rank"

    try:
        for row in rank.map(map(str, range(1000)), ordered=False, checkpoint=sys.argv[2]):
            print(row.index, flush=True)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_an_interrupt_ends_a_map_with_calls_under_way(tmp_path):
    numbers, path = itertools.count(), tmp_path / "r.jsonl"

    def answer(request):
        if next(numbers) >= 5:
            request.disconnected.wait(5)
        return "5"

    with LLMServer(default=answer) as server:
        command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), server.base_url, str(path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        try:
            given = [child.stdout.readline() for _ in range(5)]
            assert server.wait_requests(7, 60)
            child.send_signal(signal.SIGINT)
            began = time.monotonic()
            rest, _ = child.communicate(timeout=60)
            assert time.monotonic() - began < 20
        finally:
            child.kill()
    assert rest == "interrupted\n"
    assert len(given) == 5
    assert len(path.read_text().splitlines()) == 1 + 5
    assert not psutil.pid_exists(child.pid)
