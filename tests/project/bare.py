"""What must hold where nothing but the wheel is installed; `tests/project/matrix.py` runs it there, with the README's path."""

import importlib.util
import os
import re
import struct
import subprocess
import sys
import sysconfig
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

import declarai_like as declarai
from declarai_like.errors import MissingExtra

EXTRAS = {
    "local": ("xllamacpp",),
    "redis": ("redis",),
    "postgresql": ("psycopg",),
    "mongodb": ("pymongo",),
    "serve": ("starlette", "uvicorn"),
    "otel": ("opentelemetry",),
    "prices": ("genai_prices",),
    "cli": ("rich",),
    "testing": ("pytest",),
}


def needs(extra, use):
    """Check that this tells which extra to install."""
    try:
        use()
    except MissingExtra as error:
        said = str(error)
    else:
        said = "nothing was missing"
    assert f'pip install "declarai-like[{extra}]"' in said, said


def outcome(check):
    """Run a check; give what went wrong, if anything did."""
    try:
        check()
    except Exception:
        return f"{check.__name__} failed:\n{traceback.format_exc()}"


def check_environment_is_bare():
    assert Path(declarai.__file__).is_relative_to(sysconfig.get_path("purelib"))
    names = [name for modules in EXTRAS.values() for name in modules]
    assert [name for name in names if importlib.util.find_spec(name)] == []


def check_first_block_of_the_readme_runs():
    block = re.search(r"^```python\n(.*?)^```", Path(sys.argv[1]).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    os.environ["DECLARAI_OFFLINE"] = "1"
    names = {"__name__": "readme"}
    exec(block[1], names)  # noqa: S102 - it is our own documentation
    del os.environ["DECLARAI_OFFLINE"]
    assert isinstance(names["rank"].with_options(model="any").compile(message="Hi")["messages"], list)


def check_a_scripted_model_needs_no_extra():
    from declarai_like.testing import FakeLLM

    @FakeLLM([5]).task
    def rank(message: str) -> int:
        """Rank the severity of a message"""

    assert rank("The server is down!") == 5


def check_local():
    with TemporaryDirectory() as folder:
        path = Path(folder, "tiny.gguf")
        path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 1, 0) + bytes(100))
        needs("local", lambda: declarai.local(str(path)).send("Hi"))


def check_memories():
    memory = declarai.memory
    needs("redis", lambda: memory.RedisMessageHistory("s", "redis://127.0.0.1:1").history)
    needs("postgresql", lambda: memory.PostgresMessageHistory("s", "postgresql://127.0.0.1:1/x").history)
    needs("mongodb", lambda: memory.MongoDBMessageHistory("s", "mongodb://127.0.0.1:1").history)


def check_serve():
    needs("serve", lambda: importlib.import_module("declarai_like.serve"))


def check_otel():
    needs("otel", declarai.middleware.telemetry)


def check_testing():
    needs("testing", lambda: importlib.import_module("declarai_like.testing.plugin"))


def check_prices_are_unknown_without_their_extra():
    assert (
        declarai.LLMResponse(response="Hi", model="gpt-4o", usage={"prompt_tokens": 1, "completion_tokens": 1}).cost
        is None
    )


def check_command_works_and_names_its_extra():
    command = Path(sysconfig.get_path("scripts"), "declarai-like")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert "declarai-like[cli]" in done.stdout


def main():
    checks = [value for name, value in globals().items() if name.startswith("check_")]
    failures = list(filter(None, map(outcome, checks)))
    print(*failures, f"{len(checks) - len(failures)} passed, {len(failures)} failed", sep="\n")  # noqa: T201 - it is a script
    return min(len(failures), 1)


if __name__ == "__main__":
    sys.exit(main())
