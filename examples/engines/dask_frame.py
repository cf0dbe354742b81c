"""Dask: a frame whose partitions are ranked by its workers, and a map whose calls they make."""

import os

import dask
import dask.dataframe as dd
import pandas as pd
from dask.distributed import Client

import declarai_like as declarai

dask.config.set({"dataframe.convert-string": False})
# Each worker builds this for itself: the key comes from the environment of the worker, and is in no message.
llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def main(workers: int = 2) -> None:
    messages = [f"Page {number} shows an error" for number in range(8)]
    with Client(n_workers=workers, threads_per_worker=2, dashboard_address=None) as client:
        frame = dd.from_pandas(pd.DataFrame({"message": messages}), npartitions=2)
        ask = rank.frame(column="severity", workers=workers)
        ranked = frame.map_partitions(ask, meta={"message": "object", "severity": "Int64", "error": "string"})
        print(ranked.compute()["severity"].tolist())
        rows = rank.map(messages, executor=client.get_executor(), checkpoint="ranks.jsonl")
        print(rows.values())


if __name__ == "__main__":
    import dask_frame  # so that workers find the task by the name of this module

    dask_frame.main()
