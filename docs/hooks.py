"""What the documentation needs beside its pages: `mkdocs.yml` names this file, as a hook and as an extension."""
# ruff: noqa: INP001 - a script, in no package

import re
from pathlib import Path
from typing import Any

from griffe import Class, Extension, Function, Object

from declarai_like._calls import options

SEARCHED_LATER = re.compile(r"reference/|benchmarks|design|changelog|guides/what-others|streams\.md|faults")
"""Pages that name everything: who searches a word wants the guide on it before them."""
MADE_BY_THE_LIBRARY = {"BaseTask", "_Record"}
INCLUDED = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)
MARK = re.compile(r"^ *<!-- (?:prints|not run: [^\n]*?) -->\n+", re.MULTILINE)
HIDDEN = re.compile(r"^<!-- hidden:\n.*?^-->\n+", re.MULTILINE | re.DOTALL)
UNPACKED = re.compile(r"Unpack\[(\w+)\]")
EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Have the search show guides before the pages that only name their words, and leave out hidden code."""
    if SEARCHED_LATER.match(page.file.src_uri):
        page.meta.setdefault("search", {"boost": 0.1})
    return HIDDEN.sub("", markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """Put each page's source beside the page: `llms.txt` leads there, and `llms-full.txt` has them all."""
    docs, site = Path(config["docs_dir"]), Path(config["site_dir"])
    listed = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", (docs / "llms.txt").read_text("utf-8"), re.MULTILINE)
    texts = [f"<!-- {name} -->\n\n{readable(docs / name, docs.parent)}" for name in listed]
    (site / "llms-full.txt").write_text("\n\n".join(texts) + "\n", "utf-8")
    for source in docs.rglob("*.md"):
        target = site / source.relative_to(docs)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(HIDDEN.sub("", source.read_text("utf-8")), "utf-8")


def readable(page: Path, project: Path) -> str:
    """Give a page with the files that it includes, and without what is said to the tests."""
    text = INCLUDED.sub(lambda found: (project / found[1]).read_text("utf-8"), page.read_text("utf-8"))
    return MARK.sub("", HIDDEN.sub("", text)).strip()


def options_of(obj: Object) -> str:
    """Name what a function takes as `**options`, which its signature does not show."""
    told = [str(parameter.annotation) for parameter in obj.parameters] if isinstance(obj, Function) else []
    names = [getattr(options, found[1], None) for found in map(UNPACKED.search, told) if found]
    listed = [", ".join(f"`{name}`" for name in sorted(kind.__annotations__)) for kind in names if kind]
    page = "../options/" if obj.path.startswith("declarai_like.tasks.") else "options/"  # the doors are on the index
    return "".join(f'\n\n`**options` are {names}: <a href="{page}">what each one means</a>.' for names in listed)


class Readable(Extension):
    """Shows examples in docstrings as code, and leaves out what Python and pydantic call by themselves."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change what one object of the package is shown as."""
        if obj.docstring:
            obj.docstring.value += options_of(obj)
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
        if re.fullmatch(r"__\w+__", obj.name) and obj.name != "__call__":
            obj.public = False

    def on_class_members(self, *, cls: Class, **_: Any) -> None:
        """Leave out the constructors of tasks and streams: a decorator or a task calls them."""
        if cls.name in MADE_BY_THE_LIBRARY:
            cls.members.pop("__init__", None)
