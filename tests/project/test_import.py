"""What importing the package loads, each time in a fresh process."""

import importlib
import subprocess
import sys
import textwrap

import pytest

import declarai_like as declarai

HEAVY = "openai jinja2 pydantic pydantic_core docstring_parser asyncio typing dataclasses httpx httpx2 anyio inspect re json"


def fresh(code: str) -> str:
    """Run code in a fresh interpreter that loads nothing by itself, and give what it prints."""
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{textwrap.dedent(code)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    loaded = fresh(f"""
        import declarai_like
        print(*(name for name in {HEAVY.split()} if name in sys.modules))
    """)
    assert loaded == ""


def test_importing_the_package_loads_its_version_and_no_other_module():
    loaded = fresh("""
        import declarai_like
        print(*(name for name in sys.modules if name.startswith("declarai_like.")))
    """)
    assert loaded == "declarai_like._version"


def test_importing_the_package_reads_no_environment():
    assert (
        fresh("""
        import os
        os.environ.clear()
        import declarai_like
        print(declarai_like.__version__)
    """)
        == declarai.__version__
    )


def test_declaring_text_and_number_tasks_loads_neither_openai_nor_pydantic_nor_jinja():
    loaded = fresh("""
        import declarai_like as declarai
        llm = declarai.openai(model="m", openai_token="k")
        @llm.task
        def about(movie: str) -> str: "Say something about the movie"
        @llm.task(streaming=True, middlewares=[declarai.TaskMiddleware])
        def rank(message: str) -> int: "Rank the message"
        @llm.task
        async def urgent(message: str) -> bool: "Is it urgent?"
        print(*(name for name in ("openai", "pydantic", "jinja2", "httpx", "httpx2", "asyncio") if name in sys.modules))
    """)
    assert loaded == ""


@pytest.mark.parametrize("name", declarai.__all__)
def test_each_public_name_is_there(name):
    assert getattr(declarai, name).__name__ in (name, "retry", "Annotated")
    assert name in dir(declarai)


@pytest.mark.parametrize(
    "name", ["chats", "errors", "events", "memory", "middleware", "operators", "prompts", "streams", "tasks", "testing"]
)
def test_public_modules_are_there_without_an_import_of_their_own(name):
    assert (
        fresh(f"""
        import declarai_like
        print(declarai_like.{name}.__name__, {name!r} in dir(declarai_like))
    """)
        == f"declarai_like.{name} True"
    )


def test_a_module_is_imported_when_it_is_asked_for():
    assert declarai.__getattr__("errors") is declarai.errors


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'declarai_like' has no attribute 'opena1'"):
        _ = declarai.opena1


def test_a_star_import_brings_the_public_names():
    assert (
        fresh("""
        from declarai_like import *
        print(openai.__name__, Declarai.__name__, magic.__name__)
    """)
        == "openai Declarai magic"
    )


def test_without_the_local_extra_the_error_names_it(tmp_path):
    said = fresh(f"""
        import struct
        sys.modules["xllamacpp"] = None
        import declarai_like as declarai
        path = {str(tmp_path / "tiny.gguf")!r}
        open(path, "wb").write(struct.pack("<4sIQQ", b"GGUF", 3, 1, 0) + bytes(100))
        @declarai.local(path).task
        def about(movie: str) -> str: "Say something about the movie"
        try:
            about("Jaws")
        except declarai.errors.MissingExtra as error:
            print(isinstance(error, ImportError), error)
    """)
    assert said.startswith("True ")
    assert 'pip install "declarai-like[local]"' in said


@pytest.mark.parametrize("package", ["declarai_like", "declarai_like.memory", "declarai_like.middleware"])
def test_a_name_that_is_not_there_is_no_attribute(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'no_such_name'"):
        _ = module.no_such_name
