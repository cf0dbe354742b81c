"""DBOS: the calls of tasks are steps of a workflow, which goes on where it was after a crash."""

import os
import sys

from dbos import DBOS, SetWorkflowID

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()


@llm.task
def summarize(text: str) -> str:
    """Say in one sentence what the following text says"""
    return llm.magic(text)


@llm.task
def title(summary: str) -> str:
    """Give the following text a title of at most five words"""
    return llm.magic(summary)


@DBOS.step()
def summarize_step(text: str) -> str:
    return summarize(text)


@DBOS.step()
def title_step(summary: str) -> str:
    return title(summary)


@DBOS.workflow()
def publish(text: str) -> str:
    summary = summarize_step(text)
    if os.environ.get("CRASH"):  # what a power cut does
        os._exit(9)
    return title_step(summary)


if __name__ == "__main__":
    DBOS(config={"name": "posts", "system_database_url": "sqlite:///workflows.db"})
    DBOS.launch()
    with SetWorkflowID("post-1"):  # run again with the same id, it asks only for what has no answer yet
        print(publish("".join(sys.argv[1:]) or "The shop was down for an hour, since a certificate had run out."))
    DBOS.destroy()
