"""A web API of tasks: `pip install fastapi uvicorn`, `python examples/fastapi_app.py`, then see localhost:8000/docs."""

import json
import os
from collections.abc import AsyncIterator
from typing import Literal

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

import declarai_like as declarai

llm = declarai.openai(model="gpt-4o-mini") if os.environ.get("OPENAI_API_KEY") else declarai.local()
app = FastAPI()


@llm.task(streaming=True, llm_params={"max_tokens": 60})
async def about(movie: str) -> str:
    """Say something short about the following movie"""
    return llm.magic(movie)


@app.get("/rank", description="How severe a message is: 1 is a wish, 5 an emergency")  # or /docs tell the prompt
@llm.task
def rank(message: str) -> Literal[1, 2, 3, 4, 5]:
    """Rank the severity of the message, 1 is a wish and 5 an emergency"""
    return llm.magic(message)


@app.get("/about")
async def tell_about(movie: str) -> StreamingResponse:
    return StreamingResponse(events(about(movie)), media_type="text/event-stream")


async def events(steps: AsyncIterator[declarai.LLMResponse]) -> AsyncIterator[str]:
    try:
        async for step in steps:  # a client that leaves ends the loop, and with it the request to the model
            yield f"data: {step.model_dump_json()}\n\n"
    except declarai.DeclaraiError as error:  # the status has been sent: the stream itself says that it broke
        yield f"event: error\ndata: {json.dumps({'detail': str(error)})}\n\n"


@app.exception_handler(declarai.DeclaraiError)
def failed(_request: object, error: declarai.DeclaraiError) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=502)


if __name__ == "__main__":
    uvicorn.run(app)
