"""The pages of the documentation, and the blocks in them: fenced ones, and hidden code that sets the others up."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(
    r"^(?: *<!-- (?P<mark>[^\n]*?) -->\n+)?(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
HIDDEN = re.compile(r"^<!-- hidden:\n(?P<text>.*?)^-->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    line: int
    language: str
    title: str
    mark: str
    text: str

    @property
    def why_not_run(self):
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""


def blocks_of(page, *languages):
    text = page.read_text("utf-8")
    found = [fenced_block(match) for match in FENCE.finditer(text)]
    found += [Block(line_of(match), "python", "", "hidden", match["text"]) for match in HIDDEN.finditer(text)]
    found.sort(key=lambda block: block.line)
    return [block for block in found if not languages or block.language in languages]


def fenced_block(match):
    return Block(
        line=line_of(match),
        language=match["info"].split(" ")[0],
        title="".join(re.findall(r'title="([^"]+)"', match["info"])),
        mark=match["mark"] or "",
        text=re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
    )


def line_of(match):
    """Count the lines before the text of a block."""
    return match.string.count("\n", 0, match.start("text"))
