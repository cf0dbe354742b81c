"""Whatever is raised at whatever line of a call: slots and turns are free afterwards, and the history is whole."""

import asyncio
import contextvars
import gc
import threading

import pytest
from faults.interrupts import Interrupts, ends_of_lines, lines_of

import declarai_like as declarai
from declarai_like.memory import FileMessageHistory, InMemoryMessageHistory, SQLiteMessageHistory
from declarai_like.testing import FakeLLM

pytestmark = [
    pytest.mark.untraced,  # a tracer of ours takes the place of coverage's
    pytest.mark.filterwarnings("ignore:.*was never awaited"),  # an interrupt between its making and its start
]
ANSWER = "One two three"
WHOLE = ["hi", ANSWER]
STEP = 5  # each fifth line at a time: the parametrised offsets reach them all
EACH = pytest.param(lambda call: range(1, lines_of(call) + 1), marks=pytest.mark.soak, id="each")


@pytest.fixture(autouse=True)
def _collected():
    """Have what an interrupt has left found in the test that made it."""
    yield
    gc.collect()


def whole(bot):
    bot.send("hi")


def streamed(bot):
    for _ in bot.send("hi"):
        pass


def events(bot):
    with bot.stream("hi") as stream:
        stream.until_done()


def awhole(bot):
    asyncio.run(bot.asend("hi"))


def astreamed(bot):
    async def read():
        async for _ in bot.asend("hi"):
            pass

    asyncio.run(read())


def elsewhere(call, bot):
    """Call in another thread, with the limits of this one; say whether it came to an end, and how."""
    ended = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: ended.append(context.run(call, bot)), daemon=True)
    thread.start()
    thread.join(30)
    return ended == [None]


def interrupted(call, bot, interrupts):
    """Call until the interrupt, and give it: who holds it holds all that it has come through."""
    try:
        with interrupts.active():
            call(bot)
    except interrupts.kind as error:
        return error
    assert interrupts.place is None, f"swallowed at {interrupts.place}"  # this run had fewer lines
    return None


def chat_of(call):
    llm = FakeLLM([ANSWER] * 100_000, max_concurrency=1)

    @llm.chat(streaming=call in (streamed, astreamed))
    class Bot:
        """You chat."""

    return Bot


@pytest.fixture(params=["memory", "file", "sqlite"])
def open_memory(request, tmp_path):
    makers = {
        "memory": lambda _: InMemoryMessageHistory(),
        "file": lambda name: FileMessageHistory(tmp_path / f"{name}.json"),
        "sqlite": lambda name: SQLiteMessageHistory(str(name), tmp_path / "chats.db"),
    }
    return makers[request.param]


@pytest.mark.parametrize("numbers_of", [pytest.param(ends_of_lines, id="ends"), EACH])
@pytest.mark.parametrize("offset", range(STEP))
@pytest.mark.parametrize("call", [whole, streamed, events, awhole, astreamed])
def test_interrupt_at_any_line_leaves_nothing_taken(call, offset, numbers_of):
    bot_class = chat_of(call)
    with declarai.limits(requests=10**9, total_tokens=10**9):
        call(bot_class())
        for at in numbers_of(lambda: call(bot_class()))[offset::STEP]:
            bot, interrupts = bot_class(), Interrupts(KeyboardInterrupt, at)
            _held = interrupted(call, bot, interrupts)
            if call is events:
                _held = None  # the first line of an `__exit__` is protected by nothing: the stream goes with its error
            said = [message.message for message in bot.conversation]
            assert (said in ([], WHOLE), elsewhere(call, bot)) == (True, True), interrupts.place


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("call", [whole, streamed])
def test_whatever_is_raised_leaves_the_history_whole(call, kind, open_memory):
    bot_class = chat_of(call)
    call(bot_class(chat_history=open_memory("first")))
    lines = lines_of(lambda: call(bot_class(chat_history=open_memory("second"))))
    for at in range(1, lines + 1, 17):
        bot, interrupts = bot_class(chat_history=open_memory(at)), Interrupts(kind, at)
        _held = interrupted(call, bot, interrupts)
        said = [message.message for message in bot.conversation]
        assert (said in ([], WHOLE), elsewhere(call, bot)) == (True, True), interrupts.place
