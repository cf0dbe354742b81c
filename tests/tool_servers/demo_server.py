"""A server of tools for the tests: `demo_server.py stdio`, or `demo_server.py http PORT`."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, Image, Resolve, Sample
from mcp.types import (
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestURLParams,
    ImageContent,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
    ToolAnnotations,
)
from pydantic import BaseModel

DOT = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
READS = ToolAnnotations(readOnlyHint=True)
HARMLESS = ToolAnnotations(destructiveHint=False)

server = MCPServer("demo", log_level="WARNING")


@server.tool(annotations=READS)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(annotations=READS, structured_output=False)
def words(text: str) -> str:
    """Give a text back."""
    return text


@server.tool(annotations=READS)
def boom() -> str:
    """Fail."""
    raise ValueError("disk on fire")


@server.tool(annotations=READS)
def look(name: str) -> str:
    """Give a variable of the environment."""
    return os.environ.get(name, "not there")


@server.tool(annotations=READS, structured_output=False)
def picture() -> Image:
    """Give a picture."""
    return Image(data=b"12345", format="png")


@server.tool(annotations=READS, structured_output=False)
def drawn() -> list:
    """Give a picture with words."""
    return ["a dot:", Image(data=DOT, format="gif")]


@server.tool(annotations=HARMLESS, structured_output=False)
async def slow(seconds: float, mark: str, ctx: Context) -> str:
    """Write a mark, wait, and write another."""
    note(f"{mark} begins")
    await ctx.report_progress(1, 2, "half")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(f"{mark} cancelled")
        raise
    note(f"{mark} ends")
    return "done"


@server.tool(annotations=READS, structured_output=False)
async def die_once(mark: str) -> str:
    """End the whole server at the first call, in the middle of it; it only reads, so it may be called again."""
    return await die(mark)


@server.tool(annotations=HARMLESS, structured_output=False)
async def die_for_good(mark: str) -> str:
    """End the whole server at the first call, in the middle of it."""
    return await die(mark)


async def die(mark):
    if mark in notes():
        return "lives"
    note(mark)
    os.kill(os.getpid(), 9)
    return await asyncio.sleep(60)


@server.tool()
def wipe(what: str) -> str:
    """Wipe something out."""
    note(f"wiped {what}")
    return f"wiped {what}"


@server.tool(annotations=HARMLESS, structured_output=False)
async def grow(ctx: Context) -> str:
    """Add a tool to this server, and change one."""

    def late() -> str:
        """Came later."""
        return "late"

    server.add_tool(late, annotations=READS)
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return "grown"


@server.tool(annotations=HARMLESS, structured_output=False)
def spawn() -> str:
    """Start a program that outlives its parent; gives its process id."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return f"{child.pid} {os.getpid()}"


@server.tool(annotations=READS, structured_output=False)
def complain(text: str) -> str:
    """Write to standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - that is the point
    return "said"


class Person(BaseModel):
    name: str
    age: int = 0


def ask_who():
    return Elicit("Who are you?", Person)


def ask_model():
    said = SamplingMessage(role="user", content=TextContent(type="text", text="What is 6 times 7?"))
    shown = SamplingMessage(role="user", content=ImageContent(type="image", data="MTIz", mime_type="image/png"))
    return Sample([said, shown], max_tokens=50, system_prompt="You calculate.", temperature=0.5)


@server.tool(annotations=HARMLESS, structured_output=False)
def introduce(greeting: str, person: Annotated[Person, Resolve(ask_who)]) -> str:
    """Greet the user by name."""
    note(f"{greeting} {person.name}")
    return f"{greeting}, {person.name} ({person.age})"


@server.tool(annotations=HARMLESS, structured_output=False)
async def endless(ctx: Context) -> InputRequiredResult:
    """Want to be asked again, whatever happens."""
    return InputRequiredResult(request_state="x")


@server.tool(annotations=HARMLESS, structured_output=False)
async def patient(ctx: Context) -> InputRequiredResult | str:
    """Want to be asked a second time."""
    return "at last" if ctx.request_state else InputRequiredResult(request_state="secret-state")


@server.tool(annotations=HARMLESS, structured_output=False)
async def visit(ctx: Context) -> InputRequiredResult | str:
    """Send the user to an address."""
    if ctx.input_responses:
        return f"visited: {ctx.input_responses['go'].action}"
    params = ElicitRequestURLParams(message="Pay there", url="https://pay.example/7")
    return InputRequiredResult(input_requests={"go": ElicitRequest(params=params)}, request_state="secret-state")


@server.tool(annotations=HARMLESS, structured_output=False)
def calculate(result: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Calculate something with the help of a model."""
    return f"{result.model} says {result.content.text}"


@server.resource("note://picture", mime_type="image/png")
def drawing() -> bytes:
    """A picture."""
    return b"12345"


@server.resource("note://hello")
def hello() -> str:
    """A greeting."""
    return "hello there"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}"


def notes():
    path = Path(os.environ["DEMO_NOTES"])
    return path.read_text() if path.exists() else ""


def note(text):
    Path(os.environ["DEMO_NOTES"]).write_text(f"{notes()}{text}\n")


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[2]))
