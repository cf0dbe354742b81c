"""What type checkers make of the public names: read by `mypy --strict` and by pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

import declarai_like as declarai
from declarai_like import Audio, Document, File, Image, Injected
from declarai_like._declarai import StreamingDeclarai
from declarai_like._mcp import ServerTools, ToolServer
from declarai_like.completions import ToolRun
from declarai_like.errors import OutputError, ProviderError
from declarai_like.responses import LLMResponse, Result
from declarai_like.rows import BatchJob, Estimate, Row, Rows
from declarai_like.tasks import AsyncStreamingTask, AsyncTask, FutureTask, StreamingTask, Task
from declarai_like.tools import Question

if TYPE_CHECKING:
    from declarai_like._calls.operations import Flow, Next
    from declarai_like.requests import Request
    from declarai_like.streams import AsyncStream, Stream

Steps = Generator[LLMResponse, None, None]
AsyncSteps = AsyncGenerator[LLMResponse, None]

llm = declarai.openai(model="m")
streaming_llm = declarai.openai(model="m", stream=True)
assert_type(llm, declarai.Declarai)
assert_type(streaming_llm, StreamingDeclarai)
assert_type(declarai.openai(model="m", stream=False), declarai.Declarai)
assert_type(declarai.azure_openai("d"), declarai.Declarai)
assert_type(declarai.azure_openai(model="d", stream=True), StreamingDeclarai)
assert_type(declarai.anthropic("m", api_key="k"), declarai.Declarai)
assert_type(declarai.anthropic("m", stream=True), StreamingDeclarai)
assert_type(declarai.google("m", api_key="k", token=None), declarai.Declarai)
assert_type(declarai.google("m", stream=True), StreamingDeclarai)
assert_type(declarai.local(), declarai.Declarai)
assert_type(declarai.local(api="anthropic"), declarai.Declarai)
assert_type(declarai.local(stream=True), StreamingDeclarai)


# Servers of tools

files = declarai.mcp("files", command=["npx", "server"], env={"A": "b"}, timeout=None)
assert_type(files, ToolServer)
assert_type(files["read"], ServerTools)
assert_type(files.only("read", "write", approve=True), ServerTools)
assert_type(files.prompt("greet", name="Ada"), list[declarai.Message])
declarai.mcp("files", url=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def answer_question(question: Question) -> dict[str, str]:
    return {"name": question.message}


asking = declarai.mcp("shop", url="https://shop.example/mcp", asker=answer_question, sampling=llm)


@llm.task(tools=[files, files["read"], asking])
def with_servers(question: str) -> str:
    """Answer the question"""
    return declarai.magic(question)


assert_type(with_servers("?"), str)


def by_flag(flag: bool) -> None:  # noqa: FBT001 - the flag is the point
    assert_type(declarai.openai(model="m", stream=flag), declarai.Declarai)


def timing(request: Request, send: Next) -> Flow:
    return (yield from send(request))


class Noting(declarai.TaskMiddleware):
    def before(self, task: Any) -> None:
        pass


# Declared bare


@llm.task
def rank(message: str, scale: int = 5) -> int:
    """Rank"""
    return declarai.magic(message, scale)


assert_type(rank("x"), int)
assert_type(rank(message="x", scale=3), int)
assert_type(rank("x", llm_params={"temperature": 0.3}), int)
rank(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
rank("x", bogus=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
assert_type(rank.run("x"), Result[int])
assert_type(rank.run("x").value, int)


assert_type(rank.llm_response, "LLMResponse | None")
assert_type(rank.request("x"), declarai.Request)
assert_type(rank.plan("x"), FutureTask[int])
assert_type(rank.plan("x")(), int)
assert_type(rank.compile(message="x"), "dict[str, list[declarai.Message]]")


def reading() -> None:
    with rank.stream("x") as stream:
        assert_type(stream.result(), int)
        assert_type(next(stream.partials()), int)
    with colours.stream("x") as listed:
        assert_type(next(listed.items()), str)
    assert_type(rank.run("x", llm_params={"seed": 1}), Result[int])
    assert_type(rank.run("x", run_id="r1"), Result[int])


@llm.task
async def arank(message: str) -> int:
    """Rank"""
    return declarai.magic(message)


# Declared with arguments


@llm.task(
    llm_params={"temperature": 0.2}, middlewares=[timing, Noting, declarai.retry(3)], retries=2, output="json_schema"
)
def colours(text: str) -> list[str]:
    """List the colours"""
    return declarai.magic(text)


assert_type(colours("x"), "list[str]")


@llm.task(retries=1)
async def acolours(text: str) -> list[str]:
    """List the colours"""
    return declarai.magic(text)


llm.task(temperature=0.2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


# Streaming


@llm.task(streaming=True)
def about(movie: str) -> str:
    """Say something short about the following movie"""
    return declarai.magic(movie)


assert_type(about(movie="Avengers"), Steps)
assert_type(about("Avengers", llm_params={"temperature": 0.3}), Steps)
assert_type(about.run("Avengers").value, str)
assert_type(about.plan("Avengers")(), Steps)


@llm.task(streaming=True)
async def aabout(movie: str) -> str:
    """Say something short about the following movie"""
    return declarai.magic(movie)


assert_type(aabout("Avengers"), AsyncSteps)


@streaming_llm.task
def tell(movie: str) -> str:
    """Say something"""
    return declarai.magic(movie)


@streaming_llm.task
async def atell(movie: str) -> str:
    """Say something"""
    return declarai.magic(movie)


@streaming_llm.task(streaming=False)
def whole(movie: str) -> str:
    """Say something"""
    return declarai.magic(movie)


@streaming_llm.task(retries=1)
def pieces(movie: str) -> str:
    """Say something"""
    return declarai.magic(movie)


assert_type(tell("x"), Steps)
assert_type(atell("x"), AsyncSteps)
assert_type(whole("x"), str)
assert_type(pieces("x"), Steps)


# Copies


assert_type(rank.with_options(model="other")("x"), int)
assert_type(rank.with_options(streaming=True)("x"), Steps)
assert_type(about.with_options(streaming=False)("x"), str)
assert_type(about.with_options(llm_params={"seed": 1})("x"), Steps)
assert_type(arank.with_options(streaming=True)("x"), AsyncSteps)


# Methods


class Bot:
    @llm.task
    def rank(self, message: str) -> int:
        """Rank"""
        return declarai.magic(message)

    @llm.task(streaming=True)
    def tell(self, movie: str) -> str:
        """Say something"""
        return declarai.magic(movie)

    @llm.task
    async def arank(self, message: str) -> int:
        """Rank"""
        return declarai.magic(message)

    @llm.task(streaming=True)
    async def atell(self, movie: str) -> str:
        """Say something"""
        return declarai.magic(movie)


assert_type(Bot().rank("x"), int)
assert_type(Bot().tell("x"), Steps)

assert_type(Bot().atell("x"), AsyncSteps)
assert_type(Bot.rank(Bot(), "x"), int)
Bot().rank(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


# Directly


assert_type(llm.send("hi"), LLMResponse)

assert_type(llm.complete("Once"), LLMResponse)
assert_type(llm.complete("Once", streaming=True), Steps)

assert_type(llm.acomplete("Once", streaming=True), AsyncSteps)


class Shop:
    def price(self, item: str) -> float:
        return 1.0


@declarai.tool(timeout=3)
def refund(order: str, shop: Injected[Shop]) -> str:
    assert_type(shop, Shop)
    return order


@declarai.tool
def look(city: str) -> int:
    return len(city)


@llm.task(tools=[refund, look, rank], max_rounds=3)
def helped(message: str) -> int:
    return declarai.magic(message)


def with_tools() -> None:
    assert_type(refund("7", Shop()), str)
    assert_type(look(city="Oslo"), int)
    assert_type(helped("x"), int)
    assert_type(helped.run("x").calls, tuple[ToolRun, ...])
    assert_type(helped.resume("r", {"c": True}), "Result[int]")


def directly() -> tuple[Stream[int], AsyncStream[int], Stream[str]]:
    return llm.stream("hi", output_type=int), llm.astream("hi", output_type=int), llm.stream("hi")


def kinds() -> tuple[
    Task[[str, int], int], AsyncTask[[str], int], StreamingTask[[str], str], AsyncStreamingTask[[str], str]
]:
    return rank, arank, about, aabout


def caught(error: ProviderError | OutputError) -> None:
    assert_type(error.response, "LLMResponse | None")


async def awaiting() -> None:
    assert_type(await rank.acall("x"), int)
    assert_type(await rank.arun("x"), "Result[int]")
    async with rank.astream("x") as stream:
        assert_type(await stream.result(), int)
    async with arank.stream("x") as own:
        assert_type(await own.result(), int)
    assert_type(await arank("x"), int)
    assert_type(await arank.run("x"), "Result[int]")
    assert_type(await arank.plan("x")(), int)
    assert_type(await acolours("x"), "list[str]")
    assert_type(await aabout.with_options(streaming=False)("x"), str)
    assert_type(await Bot().arank("x"), int)
    assert_type(await llm.asend("hi"), LLMResponse)
    assert_type(await llm.acomplete("Once"), LLMResponse)


class Actor(declarai.Chat, llm=declarai.openai("any", openai_token="any")):
    """You play {character}."""

    def __init__(self, character: str) -> None:
        self.character = character
        super().__init__()


@llm.chat
class SQLBot(declarai.Chat):
    """You are a SQL assistant for {{ dialect }}."""


@llm.chat(streaming=True)
class Judge(declarai.Chat):
    """You judge."""

    def __init__(self, strict: bool) -> None:  # noqa: FBT001 - the example of a type
        self.strict = strict

    def send(self, answer: str) -> bool:
        return llm.magic(answer)


def decorated_chats_keep_their_class_and_their_arguments() -> None:
    """The decorator gives the class back, if it says that it is a chat."""
    bot = SQLBot(dialect="postgres", window=3)
    assert_type(bot, SQLBot)
    assert_type(bot.conversation, list[declarai.Message])
    assert_type(Judge(strict=True).send("x"), bool)
    Judge("yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def chats_keep_their_class_and_their_arguments() -> None:
    """An instance is of its class, and its constructor takes what the class says."""
    actor = Actor("a cat")
    assert_type(actor, Actor)
    assert_type(actor.character, str)
    assert_type(actor.conversation, list[declarai.Message])
    Actor(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@llm.task
def caption(photo: Image, pages: list[Image | Document] | None = None) -> str:
    """Caption {photo}"""
    return declarai.magic(photo, pages)


def media_are_of_their_kind(path: Path) -> None:
    """Each way to make media gives its own class."""
    photo = Image.open(path, root=path.parent, max_side=1024)
    assert_type(photo, Image)
    assert_type(Audio.url("https://a.example/x.mp3"), Audio)
    assert_type(File.id("file-1"), File)
    assert_type(Document.bytes(b"hi", "text/plain"), Document)
    assert_type(photo.data, bytes | None)
    assert_type(photo.media_type, str | None)
    assert_type(caption(photo, [photo]), str)


async def many_rows_have_the_type_of_their_task() -> None:
    """A row's value is the task's, or `None` where it failed."""
    rows = rank.map(["a", "b"], concurrency=4, checkpoint="ranks.jsonl", key=str)
    assert_type(rows, Rows[int])
    assert_type(next(rows), Row[int])
    assert_type(next(rows).value, "int | None")
    assert_type(rows.values(), list[int])
    assert_type(colours.map([{"text": "x"}]).values(), "list[list[str]]")
    async for row in arank.amap(["a"]):
        assert_type(row, Row[int])
    assert_type(await rank.amap(["a"]).values(), list[int])
    assert_type(rank.estimate(["a"]), Estimate)
    job = rank.batch(["a"], checkpoint="ranks.jsonl")
    assert_type(job, BatchJob[int])
    assert_type([row.value for row in job], "list[int | None]")
    assert_type(rank.rows([{"message": "a"}])[0]["value"], "Any")
    rank.map(["a"], concurency=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
