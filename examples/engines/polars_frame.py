"""A DataFrame of Polars with a column of answers; `map_batches` does the same within a lazy query."""

import os

import polars as pl

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def main() -> None:
    frame = pl.DataFrame({"message": ["There is a typo", "The shop is down!"], "id": [1, 2]})
    ask = rank.frame(column="severity")
    print(ask(frame)["severity"].to_list())
    schema = {**frame.schema, "severity": pl.Int64, "error": pl.String}
    print(frame.lazy().map_batches(ask, schema=schema).collect()["severity"].to_list())


if __name__ == "__main__":
    main()
