"""What the documentation and the examples show passes `mypy --strict` and pyright, as a reader would paste it.

The blocks of a page are one program, each on its own lines, so that a message tells the line of the page. A block that
imports a file which another block is (`title="my_tasks.py"`) is a program of its own, beside that file.
"""

import json
import re
import subprocess
import sys

import pytest
from pages_of_docs import PAGES, ROOT, blocks_of

FILES = ("my_tasks", "severity")
"""Blocks that other blocks import."""
AS_A_READER = ["--strict", "--python-version=3.10", "--config-file=", "--no-error-summary"]
PASTED = ["--allow-redefinition-new", "--local-partial-types"]  # a page uses a name again for the next thing it shows


def programs_of(page):
    """Give the programs of a page by the names of their files."""
    name = "_".join(page.relative_to(ROOT).with_suffix("").parts).replace("-", "_")
    programs, lines = {}, []
    for block in blocks_of(page, "python"):
        if block.why_not_run:
            continue
        if (title := block.title.removesuffix(".py")) in FILES:
            programs[title] = block.text
        if set(re.findall(r"^from (\w+) import", block.text, re.MULTILINE)) & set(FILES):
            programs[f"{name}_{block.line}"] = "\n" * block.line + block.text
        else:
            lines += [""] * (block.line - len(lines)) + block.text.splitlines()
    return {**programs, name: "\n".join(lines) + "\n"} if lines else programs


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for page in PAGES:
        for name, text in programs_of(page).items():
            (folder / f"{name}.py").write_text(text, "utf-8")

    for path in (ROOT / "examples").glob("*.py"):
        (folder / f"example_{path.name}").write_text(path.read_text("utf-8"), "utf-8")
    return folder


@pytest.mark.timeout(600)  # it begins with no cache where the code has not been checked before
def test_code_that_is_shown_passes_mypy_strict(programs):
    command = [
        sys.executable,
        "-m",
        "mypy",
        *AS_A_READER,
        *PASTED,
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "shown"),
        ".",
    ]
    done = subprocess.run(command, cwd=programs, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@pytest.mark.timeout(600)
def test_code_that_is_shown_passes_pyright(programs):
    (programs / "pyrightconfig.json").write_text(json.dumps({"pythonVersion": "3.10", "extraPaths": [str(ROOT)]}))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "--project", "."]
    done = subprocess.run(command, cwd=programs, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    told = json.loads(done.stdout)
    found = [
        f"{each['file']}:{each['range']['start']['line'] + 1}: {each['message']}" for each in told["generalDiagnostics"]
    ]
    assert found == []
    assert told["summary"]["filesAnalyzed"] > len(PAGES) / 2
