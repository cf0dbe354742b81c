"""The server that the browser tests talk to: tasks and chats over a model that writes at a pace one can watch."""

import json
import socket
import sys
from collections import Counter
from time import sleep
from typing import Literal

import uvicorn
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import declarai_like as declarai
from declarai_like import Document, Image, LLMResponse, serve
from declarai_like.testing import FakeLLM, reply

STORY = (
    "A robot swept the same floor every night. One night it found a seed between two boards, and instead of sweeping "
    "it away it brought water in its small grey cup. By spring there was a tree in the hall, and nobody could say who "
    "had planted it."
)
RECIPE = {
    "title": "Apple cake",
    "minutes": 55,
    "vegetarian": True,
    "steps": ["Peel the apples", "Mix butter, sugar and eggs", "Fold in the flour", "Bake at 180 degrees"],
}
REPLIES = {
    "story": STORY,
    "recipe": json.dumps(RECIPE),
    "rank": "4",
    "markup": '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp; </pre>',
    "broken": "This will not be",
}
PAUSES = {"quickly": 0.01, "slowly": 0.3}
asked: Counter[str] = Counter()


class Paced(declarai.BaseLLM):
    """Says word by word what was written for it: a word of what it is told says which of the replies."""

    def predict(self, messages, stream=False, **params):  # noqa: FBT002 - declarai's signature
        about = messages[-1].message
        asked[about] += 1
        told = " ".join(message.message for message in messages).lower()
        kind = next((kind for kind in REPLIES if kind in told), "story")
        text = REPLIES[kind]
        pause = next((pause for word, pause in PAUSES.items() if word in about), 0.06)
        wait = 3.0 if "late" in about else 3 * pause  # before the first word
        steps = _words(text, pause, wait, breaks=kind == "broken")
        return steps if stream else list(steps)[-1]


def _words(text, pause, wait, *, breaks):
    words = text.split(" ")
    sleep(wait)
    for count in range(1, len(words)):
        yield LLMResponse(response=" ".join(words[:count]) + " ")
        sleep(pause)
    if breaks:
        raise RuntimeError("a secret of the inside")
    yield LLMResponse(response=text, finish_reason="stop", prompt_tokens=21, completion_tokens=len(words))


declarai.register_llm("paced", Paced)
llm = declarai.Declarai(provider="paced", model="paced-1")


class Recipe(BaseModel):
    title: str
    minutes: int
    vegetarian: bool
    steps: list[str]


class Pantry(BaseModel):
    shelf: str
    count: int


@llm.task(streaming=True)
def story(about: str) -> str:
    """Tell a story of a few sentences"""


@llm.task(streaming=True)
def recipe(
    dish: str,
    *,
    servings: int = 2,
    style: Literal["plain", "festive"] = "plain",
    vegetarian: bool = False,
    without: list[str] | None = None,
    pantry: Pantry | None = None,
) -> Recipe:
    """Give the recipe of a dish"""


@llm.task
def rank(message: str) -> int:
    """Rank the message from 1 to 5"""


@llm.task(streaming=True)
def markup(about: str) -> str:
    """Write markup that nobody should trust"""


@llm.task(streaming=True)
def broken(about: str) -> str:
    """Begin, and be broken off"""


@llm.task(streaming=True)
def look(photo: Image, pages: list[Document] | None = None) -> str:
    """Tell a story of what you see"""


@llm.chat(streaming=True)
class Librarian:
    """Talk about books in {{ language }}."""

    greeting = "Good evening. Which book?"


paid: list[float] = []


@declarai.tool(approve=True)
def refund(order: str, amount: float) -> str:
    """Refund an order"""
    paid.append(amount)
    return f"refunded {amount:.2f}"


def _support(request):
    """Ask for refunds of the orders that a message names, then say what became of them."""
    results = [message.message for message in request.messages if message.role == "tool"]
    if results:
        return f"This is what was done: {'; '.join(results)}."
    orders = [word for word in request.messages[-1].message.split() if word.isdigit()]
    calls = [("refund", {"order": order, "amount": 250.0}, f"call_{order}") for order in orders]
    return reply("Let me see.", calls=calls)


bank = FakeLLM([_support] * 100)


@bank.task(tools=[refund], streaming=True)
def support(message: str) -> str:
    """Help the customer: {message}"""


@bank.chat(tools=[refund], streaming=True)
class Teller:
    """You help customers"""


@llm.chat(streaming=True)
class Talker:
    """Talk about anything."""


@llm.chat(streaming=True)
class Guide(declarai.Chat):
    """Talk about {{ city }} in {{ language }}."""

    def __init__(self, language: str = "English"):
        self.language = language


def counts(request):
    return JSONResponse(asked)


def effects(request):
    return JSONResponse(paid)


def main(token=None, *cors):
    """Print the address and serve until the starter goes."""
    app = serve.app(
        tasks=[story, recipe, rank, markup, broken, look, support],
        chats=[Librarian, Talker, Teller, Guide],
        providers={"paced-1": llm},
        token=token or None,
        cors=cors,
    )
    app = Starlette(
        routes=[Route("/asked", counts), Route("/paid", effects), Mount("/under/a/prefix", app), Mount("/", app)]
    )
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201 - the starter reads it
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run([listening])


if __name__ == "__main__":
    main(*sys.argv[1:])
