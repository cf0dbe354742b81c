"""Prints how many seconds an import takes, in this fresh process: `startup.py openai|ours|tasks`."""

from __future__ import annotations

import sys
import time


def declare_ten_tasks() -> None:
    import declarai_like as declarai

    llm = declarai.openai(model="m", openai_token="k")

    @llm.task
    def greet() -> str:
        """Wish good morning"""

    @llm.task
    def about(movie: str) -> str:
        """Say something short about the following movie"""

    @llm.task(streaming=True)
    def poem(title: str) -> str:
        """
        Write a poem
        :param title: what it is about
        :return: the poem
        """

    @llm.task
    def rank(message: str) -> int:
        """
        Rank the severity of the provided message by it's urgency
        :param message: The message to rank
        :return: The urgency of the message
        """

    @llm.task(llm_params={"temperature": 0.5})
    def is_urgent(message: str) -> bool:
        """Tell whether the message is urgent"""

    @llm.task
    def price(text: str, currency: str = "EUR") -> float:
        """Find the price in the text"""

    @llm.task
    def ideas(topic: str, count: int = 3) -> list[str]:
        """
        Give ideas
        :param topic: the topic
        :param count: how many
        :return ideas: the ideas
        """

    @llm.task
    def contacts(email: str) -> dict[str, str]:
        """Extract the contacts from the email"""

    @llm.task
    def scores(names: list[str]) -> dict[str, int]:
        """Score each of the names"""

    @llm.task
    async def pairs(text: str) -> list[tuple[str, int]]:
        """Count the words"""


start = time.perf_counter()
if sys.argv[1] == "openai":
    import openai  # noqa: F401
elif sys.argv[1] == "ours":
    import declarai_like  # noqa: F401
else:
    declare_ten_tasks()
print(time.perf_counter() - start)
