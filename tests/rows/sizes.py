"""A task that workers of other processes can import; it asks the address in DECLARAI_TEST_URL."""

import os
import signal
from pathlib import Path

import declarai_like as declarai

llm = declarai.openai(
    model="m",
    base_url=os.environ.get("DECLARAI_TEST_URL", "http://127.0.0.1:9/v1"),
    openai_token="k",
    max_retries=0,
)


def dying(request, send):
    """Kill this process, once, in the call that names a file that is there."""
    victim = Path(os.environ.get("DECLARAI_TEST_VICTIM", "/nowhere"))
    if victim.exists() and "victim" in request.messages[-1].message:
        victim.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return (yield from send(request))


@llm.task(middlewares=[dying])
def size(message: str) -> int:
    """Count the characters

    >>> size("abc")
    3
    """


@llm.task
def tags(message: str) -> list[str]:
    """Give the tags"""
