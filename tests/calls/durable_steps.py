"""Five steps, after one of which the process dies: `durable_steps.py URL FOLDER DIES_AFTER`."""

import os
import signal
import sys
from pathlib import Path

import declarai_like as declarai
from declarai_like.tools import SQLiteRuns

url, folder, dies_after = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
llm = declarai.openai("m", openai_token="k-0123456789", base_url=url)


@llm.task
def step(number: int, before: str) -> str:
    """Go on"""


@declarai.durable(runs=SQLiteRuns(folder / "runs.db"))
def five(text: str) -> str:
    for number in range(5):
        if number == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        text = step(number, text)
    if dies_after == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return text


sys.stdout.write(five.run("once", "begin"))
