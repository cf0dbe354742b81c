"""Ray: batches of a data set are ranked by its workers."""

import os
from pathlib import Path

import ray

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task(llm_params={"temperature": 0})
def rank(message: str) -> int:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


def main(workers: int = 2) -> None:
    path = os.pathsep.join([str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=workers, runtime_env={"env_vars": {"PYTHONPATH": path}})
    rows = ray.data.from_items([{"message": "There is a typo"}, {"message": "The shop is down!"}])
    ask = rank.frame(column="severity", workers=workers)
    ranked = rows.map_batches(ask, batch_format="pandas", concurrency=workers)
    print(sorted(row["severity"] for row in ranked.take_all()))


if __name__ == "__main__":
    import ray_data  # so that workers find the task by the name of this module

    ray_data.main()
