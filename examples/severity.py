"""Messages become numbers, and numbers can be sorted: the worst message comes first."""

import os
from typing import Literal

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()

MESSAGES = ["There is a typo on the contact page", "Nobody can pay, the shop is down!", "A customer cannot log in"]


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> Literal[1, 2, 3, 4, 5]:  # the model cannot answer anything else
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def main() -> None:
    ranked = [(rank(message), message) for message in MESSAGES]
    for severity, message in sorted(ranked, reverse=True):
        print(severity, message)


if __name__ == "__main__":
    main()
