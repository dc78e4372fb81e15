"""The project's pages as tests read them: sections, table rows, fenced blocks and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block with its language."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown page."""

    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def section(self, heading: str) -> str:
        """The text below the heading up to the next one of any level."""
        pieces = re.split(rf"^#{{1,6}} {re.escape(heading)}$", self.text, flags=re.MULTILINE)
        assert len(pieces) == 2, f"{self.path.name} has {len(pieces) - 1} headings `{heading}`"
        return re.split(r"^#{1,6} ", pieces[1], maxsplit=1, flags=re.MULTILINE)[0]

    def headings(self) -> list[str]:
        """All headings in their order."""
        return _HEADING.findall(self.prose)

    def anchors(self) -> set[str]:
        """The anchors that links to this page may name."""
        plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in self.headings())
        return {heading.replace(" ", "-") for heading in plain}

    def links(self) -> list[str]:
        """The targets of all links."""
        return _LINK.findall(self.prose)


def page(name: str) -> Page:
    """The page with this name below the project's root."""
    path = ROOT / name
    return Page(path, path.read_text(encoding="utf-8"))


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each table of the text: the name of its first column, and its rows."""
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        head, _, *rows = [_cells(line) for line in block.splitlines()]
        yield head[0], rows


def rows(text: str, column: str) -> list[list[str]]:
    """The rows of the one table of the text whose first column has this name."""
    found = [cells for name, cells in tables(text) if name == column]
    assert len(found) == 1, f"{len(found)} tables with the first column `{column}`"
    return found[0]


def codes(text: str) -> list[str]:
    """Everything in the text that stands in backticks."""
    return _CODE.findall(_FENCE.sub("", text))


def fences(text: str) -> list[Fence]:
    """The fenced blocks of the text."""
    return [Fence(*match) for match in _FENCE.findall(text)]


def write_examples(page: Page, root: Path) -> list[str]:
    """Write each YAML block whose first line names its file; the names."""
    names = []
    for fence in fences(page.text):
        first = fence.text.partition("\n")[0]
        if fence.language == "yaml" and first.startswith("# accounts.d/"):
            names.append(first.removeprefix("# "))
            path = root / names[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(fence.text, encoding="utf-8")
    return names


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
