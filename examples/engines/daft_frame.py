"""Daft: a column of answers from a batch function, which asks about all rows of a batch at once."""

import os

import daft

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


@daft.func.batch(return_dtype=daft.DataType.int64())
def severity(messages: daft.Series) -> list:
    return [row["value"] for row in rank.rows(messages.to_pylist())]


def main() -> None:
    frame = daft.from_pydict({"message": ["There is a typo", "The shop is down!"], "id": [1, 2]})
    print(frame.with_column("severity", severity(frame["message"])).to_pydict()["severity"])


if __name__ == "__main__":
    main()
