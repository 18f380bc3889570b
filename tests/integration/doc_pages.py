"""The fenced blocks of the user guide's pages, and what their authors say about running them.

An HTML comment right before a block tells what else than "run it, it must succeed" is true of it::

    <!-- test: exit 2 -->              it exits with this code; an `ipython` block: an error
    <!-- test: not run, REASON -->     it cannot be run here
    <!-- test: output -->              a `text` block: what the block before prints; ... is any text
    <!-- test: notebook NAME -->       a `python` block: this notebook's cells, split at `# %%`
                                       (tags may follow); it is written, not run
    <!-- test: finds CODE -->          the same, and preflight finds CODE in it
    <!-- test: tags TAGS -->           an `ipython` block: the tags of this cell

`<!-- test: page not run, REASON -->` is for all blocks of a page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[2] / "docs"
#: What is run, and what is only shown.
RUN = {"bash", "ipython", "python"}
SHOWN = {"text", "json", "yaml", "toml", "ini", "gitignore"}
_COMMENT = re.compile(
    r"<!--\s*test:\s*(?P<page>page )?(?P<word>[a-z]+)\s*(?P<rest>.*?)\s*-->", re.DOTALL
)
_REASON = re.compile(r"run,\s*(?P<reason>\S.*)", re.DOTALL)
_WORDS = {"exit", "not", "output", "notebook", "finds", "tags"}


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, its text, and the comment before it."""

    page: Path
    line: int
    language: str
    text: str
    word: str = ""
    rest: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"


def pages() -> list[Path]:
    """Return the pages of the guide."""
    return sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that a reader would run or compare with, in order.

    Raises
    ------
    ValueError
        A block has no language, or a comment cannot be understood: it would be passed over.
    """
    found: list[Block] = []
    comment: re.Match[str] | None = None
    exempt = False
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        where = f"{page.name}:{line}"
        if token.type == "html_block" and "test:" in token.content:
            comment = _COMMENT.search(token.content)
            if comment is None or comment["word"] not in _WORDS:
                raise ValueError(f"{where}: {token.content.strip()} is not understood")
            if comment["word"] == "not" and not _REASON.match(comment["rest"]):
                raise ValueError(f"{where}: say why it is not run")
            exempt = exempt or bool(comment["page"])
            continue
        if token.type == "code_block":
            raise ValueError(f"{where}: write ``` and a language, not an indented block")
        if token.type == "fence" and not token.info.startswith("{"):
            language = token.info.strip()
            if language not in RUN | SHOWN:
                known = ", ".join(sorted(RUN | SHOWN))
                raise ValueError(f"{where}: the language {language!r} is none of {known}")
            word, rest = (comment["word"], comment["rest"]) if comment else ("", "")
            found.append(Block(page, line, language, token.content, word, rest))
        comment = None
    return [] if exempt else found


def cells(text: str) -> list[tuple[str, list[str]]]:
    """Split the text of a `notebook` block into cells: their sources and tags."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        marker = re.fullmatch(r"# %%\s*(.*)", line)
        if marker or not found:
            found.append(("", marker[1].split() if marker else []))
        if not marker:
            source, tags = found[-1]
            found[-1] = (f"{source}{line}\n", tags)
    return [(source.strip("\n"), tags) for source, tags in found if source.strip()]
