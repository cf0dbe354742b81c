"""A program that asks, forks, and asks in both processes; it prints the sockets and the answers of each."""
# ruff: noqa: T201 - it is how it tells

import asyncio
import os
import sys
import warnings

import psutil

import declarai_like as declarai

llm = declarai.openai(model="m", openai_token="sk-test", base_url=sys.argv[1], max_retries=0)
port = int(sys.argv[1].split(":")[2].split("/")[0])


@llm.task
def say(words: str) -> str:
    """<<{words}>>"""


@llm.task
async def asay(words: str) -> str:
    """<<{words}>>"""


def ports():
    """The own ends of this process's connections that it has used itself."""
    found = psutil.Process().net_connections(kind="tcp")
    return {one.laddr.port for one in found if one.raddr and one.raddr.port == port}


first = [say("1"), say.stream("2").result()]
opened = ports()
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, from Python 3.12
child = os.fork()
if not child:
    told = [say("3"), say.stream("4").result(), asyncio.run(asay("5"))]
    print(*opened, flush=True)
    print(*(ports() - opened), flush=True)
    print("parent", *first)
    print("child", *told, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent", say("6"), say.stream("7").result(), asyncio.run(asay("8")))
