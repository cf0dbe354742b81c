"""Chats on a strict server, in each wire format: also run as a process of its own, which takes one turn in each.

python strict_chats.py URL KIND ADDRESS NAME, the last three being those of a `memory.stores.Store`
"""

import asyncio
import subprocess
import sys
from pathlib import Path

import declarai_like as declarai
from declarai_like.testing import chunks, reply, tool_call

FORMATS = ("chat", "responses", "anthropic", "google")
KINDS = (*FORMATS, "kept")
"""The formats, and Responses where the server keeps the conversation."""


def model(form, url):
    told = {"max_retries": 0}
    if form == "google":
        return declarai.google("gemini-3-pro", base_url=url, api_key="k", **told)
    if form == "anthropic":
        return declarai.anthropic("claude", base_url=url, api_key="k", **told)
    name = "deepseek-chat" if form == "chat" else "gpt-5"
    api = "responses" if form == "kept" else form
    return declarai.openai(name, base_url=f"{url}/v1", openai_token="k", api=api, **told)


def say(way, bot, words, *, streams):
    if streams:
        return way.result((bot.astream if way.is_async else bot.stream)(words))
    return way.do((bot.asend if way.is_async else bot.send)(words))


def take_ten_turns(way, server, form, store, *, streams=(False, True)):
    """Talk through a store that is opened anew for each turn, then regenerate, and go on in a fork too."""
    llm = model(form, server.url)
    for turn in range(10):
        bot = chat(llm, form, store)
        if turn % 3 == 2:
            server.enqueue(tool_call("square", {"x": turn}, reasoning="Let me see"))
        server.enqueue(reply(f"answer {turn}", reasoning="Hm — 日本 😀" if turn % 2 else ""))
        assert say(way, bot, f"question {turn}", streams=streams[turn % len(streams)]) == f"answer {turn}"
    server.enqueue("another answer")
    assert (way.do(bot.aregenerate()) if way.is_async else bot.regenerate()) == "another answer"
    for other in (bot.fork(), bot):
        server.enqueue(chunks("on", " it", " goes"))
        assert say(way, other, "and now?", streams=streams[-1]) == "on it goes"
    assert server.pending == 0


def take_turns_elsewhere(server, store):
    """Have another process take two turns more in the chats of all kinds."""
    for form in KINDS:
        bot = chat(model(form, server.url), form, store)
        server.enqueue(reply("one", reasoning="Hm"), tool_call("square", {"x": 3}), "9")
        assert (bot.send("first"), bot.send("3 * 3?")) == ("one", "9")
    server.enqueue("there", "again", repeat=len(KINDS))
    told = [server.url, store.kind, store.address, store.name]
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, __file__, *told], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{form} there again" for form in KINDS]


def square(x: int) -> int:
    """Multiply a number by itself"""
    return x * x


def chat(llm, form, store):
    """Open the chat of a format anew, with its turns so far."""

    @llm.chat(tools=[square], **({"state": "server"} if form == "kept" else {}))
    class Bot:
        """You answer"""

    return Bot(chat_history=store.open(form))


def main():
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from memory.stores import Store

    url, *told = sys.argv[1:]
    for form in KINDS:
        bot = chat(model(form, url), form, Store(*told))
        print(form, bot.send("from another process"), asyncio.run(bot.asend("and awaited")))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
