"""Rank a CSV file's rows, four at a time: `python examples/batch_csv.py examples/messages.csv ranked.csv`.

Stop it whenever you like: the next run goes on where this one stopped.
"""

import asyncio
import csv
import io
import os
import sys
from pathlib import Path
from typing import Literal

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()
at_a_time = asyncio.Semaphore(4)


@llm.task(llm_params={"temperature": 0})
async def rank(message: str) -> Literal[1, 2, 3, 4, 5]:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


async def ranked(row: dict[str, str]) -> dict[str, str | int]:
    try:
        async with at_a_time:
            return {**row, "severity": await rank(row["message"])}
    except declarai.DeclaraiError as error:  # it becomes a row, and the others go on
        return {**row, "error": f"{type(error).__name__}: {error}"}


async def rank_all(rows: list[dict[str, str]], writer: "csv.DictWriter[str]") -> None:
    for number, row in enumerate(asyncio.as_completed(map(ranked, rows)), 1):
        writer.writerow(await row)
        print(f"\r{number} of {len(rows)} rows", end="\n" if number == len(rows) else "", file=sys.stderr)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    rows = list(csv.DictReader(io.StringIO(source.read_text("utf-8"))))
    done = csv.DictReader(io.StringIO(target.read_text("utf-8") if target.exists() else ""))
    kept = {row["id"]: row for row in done if not row["error"]}  # what failed is asked again
    with target.open("w", encoding="utf-8", newline="", buffering=1) as file:  # line by line, as the answers come
        writer = csv.DictWriter(file, ["id", "message", "severity", "error"])
        writer.writeheader()
        writer.writerows(kept.values())
        asyncio.run(rank_all([row for row in rows if row["id"] not in kept], writer))
