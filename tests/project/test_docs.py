"""The documentation is true: its code runs, what it prints is printed, its links lead somewhere, it builds by itself.

A block of code that cannot be run says why in a comment before it, `<!-- not run: needs ... -->` or
`<!-- not run: foreign ... -->`. A text block after `<!-- prints -->` is exactly what the block before it prints. A
block with a title is also written to a file of that name; if it is a test, pytest runs it there.

Code that only sets a page up stands in a comment of its own, `<!-- hidden:`, the code, `-->`, and is run in its place. If
it makes a `FakeLLM` named `script`, that is the model which the page gets where it asks for one by its name alone, as by
`declarai.openai(model="gpt-4o-mini")`.
"""

import contextlib
import html
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from codeop import compile_command
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import FunctionType
from urllib.parse import unquote, urlsplit

import pytest
from pages_of_docs import DOCS, PAGES, ROOT, blocks_of

import declarai_like
from declarai_like._calls.options import LocalOptions, ProviderOptions, TaskOptions
from declarai_like._cli._parser import argument_parser

REFERENCE = {"reference/index.md", "reference/options.md"}
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def pages(*languages):
    """Give the pages that have such blocks, as parameters of a test."""
    chosen = [page for page in PAGES if not languages or blocks_of(page, *languages)]
    return pytest.mark.parametrize("page", chosen, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture
def paste(tmp_path, monkeypatch):
    """Run a block as a reader would paste it, in a folder that the page has for itself; give what it prints."""
    monkeypatch.setenv("DECLARAI_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names = {"__name__": "__main__", "__file__": str(tmp_path / "page.py")}
    for door in ("anthropic", "openai"):
        monkeypatch.setattr(declarai_like, door, script_or(getattr(declarai_like, door), names))
    known = set(sys.modules)

    def run(block, page):
        code = "\n" * block.line + block.text  # a traceback shows the line of the page
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(page), "exec"), names)  # noqa: S102 - it is our own documentation
        if "." in block.title:
            (tmp_path / block.title).write_text(block.text, "utf-8")
        if block.title.startswith("test_"):
            pytest_passes(block.title, tmp_path)
        return printed.getvalue()

    yield run
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def script_or(door, names):
    """Give the `script` that hidden code has made to whoever asks for a model by its name alone, else what there is."""

    def give(*args, **options):
        is_scripted = "script" in names and not args and set(options) == {"model"}
        return names["script"] if is_scripted else door(*args, **options)

    return give


def pytest_passes(name, folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own test
    assert done.returncode == 0, done.stdout


@pages("python")
def test_code_of_the_page_runs(page, paste):
    printed = ""
    for block in blocks_of(page, "python", "text"):
        if block.language == "python" and not block.why_not_run:
            printed = paste(block, page)
        elif block.mark == "prints":
            assert block.text.rstrip() == printed.rstrip(), f"{page.name}:{block.line}"


def statements_of(text):
    """Part a text as Python's prompt does: a compound statement ends at the first empty line."""
    waiting = []
    for line in [*text.splitlines(), ""]:
        waiting.append(line)
        if compile_command("\n".join(waiting)) is not None:  # raises `SyntaxError` for what the prompt does not take
            yield waiting
            waiting = []


def test_program_of_the_readme_can_be_pasted_at_the_prompt():
    for block in blocks_of(ROOT / "README.md", "python"):
        assert list(statements_of(block.text))


@pages()
def test_every_block_has_a_language_and_what_is_not_run_a_reason(page):
    for block in blocks_of(page):
        assert block.language, f"{page.name}:{block.line}"
        assert block.mark in {"", "prints", "hidden"} or re.match(r"(needs|foreign) \w+", block.why_not_run), block.mark


@pages("json")
def test_json_of_the_page_is_json(page):
    for block in blocks_of(page, "json"):
        for value in [block.text] if block.text.startswith(("{\n", "[\n")) else block.text.splitlines():
            json.loads(value)


@pages("console")
def test_commands_of_the_page_exist(page):
    _, _, after = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.optional-dependencies]\n")
    extras = set(re.findall(r"^(\w+) = \[", after.partition("\n[")[0], re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for block in blocks_of(page, "console"):
        for line in re.findall(r"^\$ (.+?)(?: > .+)?$", block.text, re.MULTILINE):
            program, *arguments = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
            if program == "declarai-like":
                argument_parser().parse_args([word for word in arguments if word != "MODULE..."])
            if program == "make":
                assert targets.issuperset(arguments), line
            for named in re.findall(r"declarai-like\[(.+?)\]", line):
                assert extras.issuperset(named.split(",")), line


@pages()
def test_links_between_pages_lead_to_pages(page):
    for link in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)):
        parts = urlsplit(link)
        if not parts.scheme and parts.path:
            assert (page.parent / unquote(parts.path)).exists(), f"{page.name}: {link}"


def test_picture_of_the_demo_shows_the_calls_of_the_demo():
    shown = html.unescape((DOCS / "images" / "demo.svg").read_text("utf-8"))
    for call in re.findall(
        r"^    print\(f?'(?:\\n)*(\w+\(.*?\))", (ROOT / "examples/demo.py").read_text("utf-8"), re.MULTILINE
    ):
        assert f">{call}<" in shown


def test_every_public_module_has_a_page_of_reference():
    written = {page.stem for page in (DOCS / "reference").glob("*.md")} - {"index", "options"}
    assert written == declarai_like._MODULES


def test_every_option_is_in_the_table_of_options():
    table, _, _ = (DOCS / "reference" / "options.md").read_text("utf-8").partition("\n## ")
    named = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    kinds = (TaskOptions, ProviderOptions, LocalOptions)
    assert set(named) == {"streaming", "stream"}.union(*(kind.__annotations__ for kind in kinds))
    assert len(named) == len(set(named))


@pytest.mark.parametrize("page", sorted((DOCS / "guides").glob("*.md")), ids=lambda page: page.stem)
def test_guide_shows_a_real_model_before_a_scripted_one(page):
    shown = "".join(block.text for block in blocks_of(page, "python") if block.mark != "hidden")
    before, scripted, _ = shown.partition("FakeLLM")
    assert page.stem == "testing" or not scripted or re.search(r"declarai\.(openai|local)\(", before)


def test_hidden_code_is_run_in_its_place_and_nowhere_shown(site, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nfirst\n```\n\n<!-- hidden:\nsecond\n-->\n\n```python\nthird\n```\n")
    assert [(block.line, block.mark, block.text) for block in blocks_of(page, "python")] == [
        (1, "", "first\n"),
        (5, "hidden", "second\n"),
        (9, "", "third\n"),
    ]
    built = [site / "llms-full.txt", *site.glob("guides/*.md"), *site.glob("guides/*/index.html")]
    assert [path for path in built if "<!-- hidden:" in path.read_text("utf-8")] == []
    assert any(block.mark == "hidden" for page in DOCS.glob("guides/*.md") for block in blocks_of(page))


def test_llms_txt_names_every_page_and_nothing_else():
    text = (DOCS / "llms.txt").read_text("utf-8")
    named = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): .+$", text, re.MULTILINE)
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert text.startswith("# declarai-like\n\n> ")
    assert len(named) == len(LINK.findall(text))
    assert set(named) == {name for name in written if not name.startswith("reference/")} | REFERENCE


class Resources(HTMLParser):
    """What a page of HTML fetches, and where it links to."""

    def __init__(self, text):
        super().__init__()
        self.fetched = []
        self.links = []
        self.ids = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids.update(filter(None, [named.get("id"), named.get("name")]))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        elif tag == "link" and "href" in named:
            self.fetched.append(named["href"])
        elif "src" in named:
            self.fetched.append(named["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site strictly: a link, an anchor or a page of the navigation that leads nowhere is an error."""
    if sys.version_info < (3, 11):
        pytest.skip("the newest tools of the site need Python 3.11")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # noqa: S603 - our own documentation
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return target


@pytest.fixture(scope="module")
def built(site):
    return {page: Resources(page.read_text("utf-8")) for page in site.rglob("*.html")}


def test_site_fetches_nothing_from_other_hosts(site, built):
    fetched = {resource for page in built.values() for resource in page.fetched}
    styles = [sheet.read_text("utf-8") for sheet in site.rglob("*.css")]
    fetched |= {url.strip("\"'") for sheet in styles for url in re.findall(r"(?:url\(|@import )([^)\s;]+)", sheet)}
    assert [resource for resource in fetched if urlsplit(resource).scheme not in {"", "data"}] == []
    assert [resource for resource in fetched if resource.startswith("//")] == []


def test_links_of_the_site_lead_to_its_files(site, built):
    for page, resources in built.items():
        for link in {*resources.links, *resources.fetched}:
            parts = urlsplit(link)
            if parts.scheme or page.name == "404.html" or not parts.path:
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{page.relative_to(site)}: {link}"
            if parts.fragment and target in built:
                assert unquote(parts.fragment) in built[target].ids, f"{page.relative_to(site)}: {link}"


def exports_of(name):
    """Give the classes and functions that a public module exports."""
    module = import_module(f"declarai_like.{'providers.base' if name == 'providers' else name}")
    return {each for each in module.__all__ if isinstance(getattr(module, each), type | FunctionType)}


def test_reference_shows_what_the_modules_export(site, built):
    pages = {name: built[site / "reference" / name / "index.html"] for name in declarai_like._MODULES}
    shown = {name: {anchor.rpartition(".")[2] for anchor in page.ids} for name, page in pages.items()}
    assert {name: names for name in pages if (names := exports_of(name) - shown[name])} == {}


@pytest.fixture(scope="module")
def searched(site):
    if not (node := shutil.which("node")):
        pytest.skip("the search of the site is JavaScript: node runs it")

    def search(query):
        script = Path(__file__).with_name("search.mjs")
        found = subprocess.run([node, script, site, query], capture_output=True, text=True, check=True)  # noqa: S603 - ours
        return json.loads(found.stdout)[0]

    return search


def test_llms_txt_leads_to_files_of_the_site(site):
    for link in LINK.findall((site / "llms.txt").read_text("utf-8")):
        assert (site / link).is_file(), link


@pytest.mark.parametrize(
    ("query", "guide"),
    [
        ("structured output", "outputs"),
        ("rate limit", "rows"),
        ("function calling", "tools"),
        ("batch", "rows"),
        ("parallel", "rows"),
        ("image", "media"),
        ("anthropic", "providers"),
        ("gemini", "providers"),
        ("mypy", "type-checkers"),
        ("observability", "telemetry"),
    ],
)
def test_search_of_the_site_finds_the_guide_first(searched, query, guide):
    assert searched(query)[0] == f"guides/{guide}/"


def test_llms_full_txt_has_every_page_whole(site):
    full = (site / "llms-full.txt").read_text("utf-8")
    for name in LINK.findall((DOCS / "llms.txt").read_text("utf-8")):
        assert f"<!-- {name} -->" in full
    assert "What others call it" in full
    assert "[Unreleased]" in full  # the changelog, which its page includes
    assert "<!-- prints -->" not in full


def test_copy_button_leaves_out_prompts_and_output(site):
    sheet = (site / "assets/extra.css").read_text("utf-8")
    assert re.search(r"\[data-md-copying\] :is\(\.gp, \.go\) \{\s+display: none;", sheet)
    assert re.search(r'<span class="gp">\$ </span>', (site / "index.html").read_text("utf-8"))
