"""Chats on a strict server, in each wire format: also run as a process of its own, which takes one turn in each.

python strict_chats.py URL FOLDER
"""

import asyncio
import sys
from pathlib import Path

import declarai_like as declarai
from declarai_like.memory import SQLiteMessageHistory

FORMATS = ("chat", "responses", "anthropic", "google")


def model(form, url):
    told = {"max_retries": 0}
    if form == "google":
        return declarai.google("gemini-3-pro", base_url=url, api_key="k", **told)
    if form == "anthropic":
        return declarai.anthropic("claude", base_url=url, api_key="k", **told)
    name = "deepseek-chat" if form == "chat" else "gpt-5"
    return declarai.openai(name, base_url=f"{url}/v1", openai_token="k", api=form, **told)


def say(way, bot, words, *, streams):
    if streams:
        return way.result((bot.astream if way.is_async else bot.stream)(words))
    return way.do((bot.asend if way.is_async else bot.send)(words))


def square(x: int) -> int:
    """Multiply a number by itself"""
    return x * x


def chat(llm, form, folder):
    """Open the chat of a format anew, with its turns so far."""

    @llm.chat(tools=[square])
    class Bot:
        """You answer"""

    return Bot(chat_history=SQLiteMessageHistory("main", str(Path(folder) / f"{form}.db")))


def main():
    url, folder = sys.argv[1:]
    for form in FORMATS:
        bot = chat(model(form, url), form, folder)
        print(form, bot.send("from another process"), asyncio.run(bot.asend("and awaited")))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
