"""A chat that remembers: run it twice, and the second run goes on where the first one stopped.

The conversation is kept in `sql_bot.db`, or in the file named on the command line. What goes wrong (no model, no key,
no such folder) is one line, since every error of this library is a `DeclaraiError`.
"""

import os
import sys

import declarai_like as declarai
from declarai_like.memory import SQLiteMessageHistory

QUESTIONS = ["What does SELECT do?", "Give me an example of it.", "Now explain your example."]


class SQLBot(declarai.Chat, streaming=True, window=6, llm_params={"temperature": 0, "max_tokens": 60}):
    """You are a SQL assistant for {{ dialect }}. Answer in one short sentence."""

    greeting = "Hello, I help with SQL."


def main(path: str = "sql_bot.db") -> None:
    llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()
    bot = llm.chat(SQLBot)(dialect="SQLite", chat_history=SQLiteMessageHistory("sql-bot", path))
    asked = sum(message.role == "user" for message in bot.conversation)
    print(f"--- {asked} questions are remembered from earlier runs")
    for message in bot.conversation:
        print(message)

    question = QUESTIONS[asked % len(QUESTIONS)]
    print(f"--- now\nuser: {question}\nassistant: ", end="")
    for response in bot.send(question):
        print(response.content, end="", flush=True)
    shown = bot.llm_response.prompt_tokens if bot.llm_response else 0
    print(f"\n--- the model was shown {shown} tokens; {len(bot.conversation)} messages are stored")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except declarai.DeclaraiError as error:
        sys.exit(f"sql_bot: {error}")
