"""Tasks and a chat over HTTP, with a page to try them on: no key, since the model runs inside this process.

Run it with `make serve` and open the address that it prints. Conversations are kept in `serve_local.db`. The model is
tiny (135 million parameters): it answers fast rather than well.
"""

import sys

import uvicorn
from pydantic import BaseModel

import declarai_like as declarai
from declarai_like import serve
from declarai_like.memory import SQLiteMessageHistory

llm = declarai.local()


class Person(BaseModel):
    name: str
    age: int
    city: str


@llm.task(streaming=True, llm_params={"temperature": 0.3, "max_tokens": 60})
def about(movie: str) -> str:
    """Say something short about the following movie"""
    return llm.magic(movie)


@llm.task(streaming=True, llm_params={"temperature": 0, "max_tokens": 200})
def people(text: str) -> list[Person]:
    """Extract every person from the text"""
    return llm.magic(text)


@llm.chat(streaming=True, window=8, llm_params={"temperature": 0.3, "frequency_penalty": 0.6, "max_tokens": 100})
class Critic(declarai.Chat):
    """You are a friendly film critic who writes for {{ readers }}."""

    greeting = "Good evening. Which film have you seen?"


app = serve.app(tasks=[about, people], chats=[Critic], memory=lambda key: SQLiteMessageHistory(key, "serve_local.db"))

if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 8000
    print(f"http://127.0.0.1:{port}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
