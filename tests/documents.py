"""What README and the documentation tell readers to type: blocks, commands, and what they need.

A block of `sh` or `python` is run by the walk-through, in the order of its page, in one folder for
each page. Two comments steer that, on a line of their own before a block:

    <!-- not run: REASON -->        this block is not run, and why
    <!-- given: NAME, NAME -->      what must lie in the folder (see tests/e2e/given.py)
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_COMMENT = re.compile(r"<!-- (not run|given): (.+?) -->")
_FENCE = re.compile(r"^(```+)([\w-]*)\s*$")
RUNNABLE = ("sh", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is where its text begins, `not_run` why it is not run."""

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""

    @property
    def runs(self) -> bool:
        return self.language in RUNNABLE and not self.not_run

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, each a command of its own."""
        joined = self.text.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip()]


@dataclass(frozen=True)
class Page:
    name: str
    given: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def runs(self) -> bool:
        return any(block.runs for block in self.blocks)


def paths() -> list[Path]:
    """README and CONTRIBUTING, those of demos and benchmarks, model cards, every page of docs/."""
    names = ("README.md", "CONTRIBUTING.md", "demos/README.md", "benchmarks/README.md")
    cards = sorted((PROJECT / "edgecnn" / "assets").glob("*.md"))
    return [*(PROJECT / name for name in names), *cards, *sorted((PROJECT / "docs").rglob("*.md"))]


def pages() -> list[Page]:
    return [read(path) for path in paths()]


def read(path: Path) -> Page:
    name = path.relative_to(PROJECT).as_posix()
    return parse(path.read_text(encoding="utf-8"), name)


def parse(text: str, name: str = "page") -> Page:
    blocks: list[Block] = []
    given: list[str] = []
    not_run = fence = language = ""
    body: list[str] = []
    begun = 0
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if fence:
            if line.strip() == fence:
                blocks.append(Block(name, begun, language, "\n".join(body) + "\n", not_run))
                fence, not_run = "", ""
            else:
                body.append(line)
        elif match:
            fence, language = match[1], match[2]
            body, begun = [], number + 1
        elif comment := _COMMENT.fullmatch(line.strip()):
            if comment[1] == "given":
                given += [part.strip() for part in comment[2].split(",")]
            else:
                not_run = comment[2]
        elif line.strip():
            not_run = ""  # a comment speaks of the block right after it
    return Page(name, tuple(given), tuple(blocks))


def edgecnn_commands(text: str) -> Iterator[list[str]]:
    """Every `edgecnn …` command in a text, as words: in blocks and between backticks."""
    spans = [match[1] for match in re.finditer(r"`(edgecnn [^`\n]+)`", text)]
    for block in parse(text).blocks:
        for line in block.text.replace("\\\n", " ").splitlines():
            spans += re.findall(r"(?:^|[|;&]\s*|run: )(edgecnn [^|&;]+)", line)
    for span in spans:
        command = re.sub(r"\s{2,}#.*|\s#\s.*|[<>]\s*\S+", "", span)
        try:
            yield shlex.split(command)
        except ValueError as error:
            raise ValueError(f"{command}: {error}") from error
