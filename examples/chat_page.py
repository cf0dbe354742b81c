"""A chat in the browser in one file: `pip install starlette uvicorn`, then `python examples/chat_page.py`."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import declarai_like as declarai
from declarai_like.memory import SQLiteMessageHistory

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()
PAGE = """<!doctype html><title>Chat</title><body style="max-width: 40em; margin: auto; font-family: sans-serif">
<div id="log"></div><form><input style="width: 100%" placeholder="Say something" autofocus></form><script>
const input = document.querySelector("input"), user = localStorage.user ??= crypto.randomUUID();
function say(message) {
  return log.appendChild(Object.assign(document.createElement("p"), {textContent: message}));
}
document.forms[0].onsubmit = async event => {
  event.preventDefault();
  say(`user: ${input.value}`);
  const asked = fetch(user, {method: "POST", body: input.value}), line = say("assistant: ");
  input.value = "";
  const reader = (await asked).body.pipeThrough(new TextDecoderStream()).getReader();
  for (let step; !(step = await reader.read()).done; ) line.textContent += step.value;
};
fetch(user).then(reply => reply.json()).then(said => said.forEach(one => say(`${one.role}: ${one.message}`)));
</script>"""


@llm.chat(streaming=True, window=6, llm_params={"max_tokens": 100})
class Assistant(declarai.Chat):
    """You are a friendly assistant. Answer in one short sentence."""

    greeting = "Hello, what can I do for you?"


async def talk(request: Request) -> Response:
    bot = Assistant(chat_history=SQLiteMessageHistory(request.path_params["user"], "chat_page.db"))
    if request.method == "GET":
        return JSONResponse([message.model_dump() for message in bot.conversation])
    replies = bot.asend((await request.body()).decode())
    return StreamingResponse((reply.content async for reply in replies), media_type="text/plain")


app = Starlette(routes=[Route("/", lambda _: HTMLResponse(PAGE)), Route("/{user}", talk, methods=["GET", "POST"])])
if __name__ == "__main__":
    uvicorn.run(app)
