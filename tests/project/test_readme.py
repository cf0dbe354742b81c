"""The README's program on the model that it names: right in form each time, and as shown."""

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.untraced  # others cover each line; here a tracer would only take time

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


FORM = re.compile(
    r"[1-5]\n"  # rank
    r".+\n"  # about
    r"(name='.*' age=-?\d+\n){0,3}"  # people
    r"-?\d+\n"  # how_warm
    r"0 [1-5]\n1 [1-5]\n2 [1-5]\n"  # the rows
    r".+\n2\n"  # the chat
)


def blocks(kind):
    return [text for found, text in BLOCK.findall(README.read_text("utf-8")) if found == kind]


def test_what_the_readme_shows_is_of_the_form_of_what_it_prints():
    assert FORM.fullmatch("".join(blocks("text")))


@pytest.mark.local_model
@pytest.mark.timeout(900)
@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.soak)])
def test_program_of_the_readme_is_right_in_form_each_time(times, tmp_path, monkeypatch):
    code = compile("\n".join(blocks("python")), str(README), "exec")
    for number in range(times):
        (folder := tmp_path / str(number)).mkdir()
        monkeypatch.chdir(folder)  # it leaves a checkpoint behind
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "readme"})  # noqa: S102 - our own page
        assert FORM.fullmatch(re.sub(r"\n+", "\n", printed.getvalue())), printed.getvalue()


# --- the tutorial, a page at a time

TUTORIAL = sorted(README.parent.glob("docs/tutorial/[1-9]-*.md"))
NOT_RUN = re.compile(r"<!-- not run: .*?-->\n+```python.*?```", re.DOTALL)


def program_of(page):
    text = NOT_RUN.sub("", page.read_text("utf-8"))
    found = re.findall(r'```python(?: title="(\S+)")?\n(.*?)```', text, re.DOTALL)
    return [(title, code) for title, code in found if not title.startswith("test_")]


@pytest.mark.soak
@pytest.mark.local_model
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", TUTORIAL, ids=lambda page: page.stem)
def test_page_of_the_tutorial_is_right_in_form_each_time(page, tmp_path, monkeypatch):
    """An answer that is not of its type is an `OutputError`, which ends the page: 30 times it does not."""
    for number in range(30):
        (folder := tmp_path / str(number)).mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        names = {"__name__": "tutorial"}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for title, code in program_of(page):
                if title:
                    (folder / title).write_text(code, "utf-8")
                exec(compile(code, str(page), "exec"), names)  # noqa: S102 - our own page
        sys.modules.pop("my_tasks", None)
        assert printed.getvalue().strip() or page.stem.startswith("8-"), page
