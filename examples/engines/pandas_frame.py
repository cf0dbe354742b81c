"""A DataFrame of pandas with a column of answers."""

import os

import pandas as pd

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def main() -> None:
    frame = pd.DataFrame({"message": ["There is a typo", "The shop is down!"], "id": [1, 2]})
    print(rank.frame(column="severity")(frame)[["id", "severity", "error"]])


if __name__ == "__main__":
    main()
