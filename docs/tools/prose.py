"""Plain English: phrases of this project's past that a stranger stumbles over, and what to write.

    python -m docs.tools.prose [FILE …]        exit code 1 when something is found
    python -m docs.tools.prose --commands      the help texts of every command instead

README, CONTRIBUTING, demos and docs are checked, the comments, docstrings and messages of programs
(the package, benchmarks, demos, what builds this site) and the words of the package's pages. Code
between backticks and in blocks is left out. The list is `style.toml`.

This is not vale because vale's package on PyPI (3.25) downloads a program from GitHub when it is
first run, and `make lint` works without a network.
"""

from __future__ import annotations

import functools
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("demos", "benchmarks")
"""Those whose README and programs are read, as well as `docs`."""
STYLE = Path(__file__).with_name("style.toml")


@dataclass(frozen=True)
class Finding:
    """A phrase that was found, and what to write instead."""

    place: str
    phrase: str
    instead: str

    def __str__(self) -> str:
        return f"{self.place}: “{self.phrase}”: {self.instead}"


@functools.cache
def rules() -> list[tuple[re.Pattern[str], str]]:
    """What not to write, with what to write instead. A space in a rule is one or a line's end."""
    listed = tomllib.loads(STYLE.read_text(encoding="utf-8"))["rule"]
    return [
        (re.compile(rule["not"].replace(" ", r"\s+"), re.IGNORECASE), rule["but"])
        for rule in listed
    ]


def check(text: str, place: str) -> Iterator[Finding]:
    """Findings in a text: a program, script or page by the ending of `place`, else Markdown."""
    if not any(pattern.search(text) for pattern, _ in rules()):
        return  # most files: splitting them into tokens takes longest
    for line, words in _READERS.get(Path(place).suffix, _of_markdown)(text):
        for pattern, instead in rules():
            for match in pattern.finditer(words):
                number = line + words[: match.start()].count("\n")
                yield Finding(f"{place}:{number}", " ".join(match[0].split()), instead)


def _of_markdown(text: str) -> Iterator[tuple[int, str]]:
    """(number, words) of each line that is not code."""
    plain = re.sub(r"(?ms)^```.*?^```", _blank, text)
    plain = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", " ", plain)
    yield from enumerate(plain.splitlines(), 1)


def _of_program(text: str) -> Iterator[tuple[int, str]]:
    """(line, words) of each comment, and of each string of more than one word."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if tokenize.tok_name[token.type] not in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            continue
        said = re.sub(r"`[^`]*`|'\w+'|\{[^{}]*\}", " ", token.string)
        if " " in said.strip():
            yield token.start[0], re.sub(r"\n[ \t]+", "\n", said)


_SAID_IN_SCRIPT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""", re.DOTALL
)


def _of_script(text: str) -> Iterator[tuple[int, str]]:
    """As of a program, of JavaScript; what a template string computes is left out."""
    for match in _SAID_IN_SCRIPT.finditer(text):
        said = re.sub(r"\$\{[^{}]*\}", " ", match[0])
        if said.startswith("/"):
            said = re.sub(r"`[^`\n]*`", " ", said)
        if " " in said.strip():
            yield text[: match.start()].count("\n") + 1, said


_SPOKEN = re.compile(r"""\b(?:alt|aria-label|content|placeholder|title)=(?:"([^"]*)"|'([^']*)')""")


def _of_page(text: str) -> Iterator[tuple[int, str]]:
    """(number, words) of each line of a page or its template, comments and spoken attributes
    included. Of Jinja's expressions the strings of more than one word stay.
    """

    def strings(match: re.Match[str]) -> str:
        quoted = re.findall(r""""([^"]* [^"]*)"|'([^']* [^']*)'""", match[0])
        return " ".join(double or single for double, single in quoted) + _blank(match)

    def attributes(match: re.Match[str]) -> str:
        spoken = " ".join(double or single for double, single in _SPOKEN.findall(match[0]))
        return f" {spoken} {_blank(match)}"

    plain = re.sub(r"(?s)<(style|script)\b.*?</\1>", _blank, text)
    plain = re.sub(r"(?s)\{\{.*?\}\}|\{%.*?%\}", strings, plain)
    plain = re.sub(r"(?s)<(?!!--)[^>]*>", attributes, plain)
    yield from enumerate(plain.splitlines(), 1)


def _blank(match: re.Match[str]) -> str:
    """The lines of what is left out, so that those after it keep their numbers."""
    return "\n" * match[0].count("\n")


_READERS = {".py": _of_program, ".js": _of_script, ".html": _of_page, ".j2": _of_page}


def programs() -> list[Path]:
    """The package's modules and pages, and the programs around it."""
    found = [
        path
        for ending in ("*.py", "*.js", "*.html", "*.j2")
        for path in (ROOT / "edgecnn").rglob(ending)
    ]
    around = [path for folder in (*FOLDERS, "docs/tools") for path in (ROOT / folder).glob("*.py")]
    return sorted([*found, *around])


def documents() -> list[Path]:
    """Everything that readers read."""
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    first = [*(ROOT / name for name in names), *(ROOT / name / names[0] for name in FOLDERS)]
    found = [path for pattern in ("*.md", "*.toml") for path in (ROOT / "docs").rglob(pattern)]
    return [*first, *sorted(path for path in found if path != STYLE)]


def help_texts() -> Iterator[tuple[str, str]]:
    """(command, its help with that of its options)."""
    import click

    from edgecnn.cli.verbs import VERBS, command

    def below(verb: click.Command, name: str) -> Iterator[tuple[str, str]]:
        options = [param.help or "" for param in verb.params if isinstance(param, click.Option)]
        yield name, "\n".join([verb.help or "", verb.short_help or "", *options])
        if isinstance(verb, click.Group):
            for inner in verb.list_commands(click.Context(verb)):
                found = verb.get_command(click.Context(verb), inner)
                if found is not None:
                    yield from below(found, f"{name} {inner}")

    context = click.Context(command)
    for verb_name, line in VERBS.items():
        verb = command.get_command(context, verb_name)
        if verb is not None:
            yield f"edgecnn {verb_name} (in the list)", line
            yield from below(verb, f"edgecnn {verb_name}")


def main(arguments: Sequence[str]) -> int:
    """Print what is found; 1 when there is something."""
    if list(arguments) == ["--commands"]:
        texts = list(help_texts())
    else:
        paths = [Path(name) for name in arguments] or [*documents(), *programs()]
        texts = [(str(path), path.read_text(encoding="utf-8")) for path in paths]
    found = [finding for place, text in texts for finding in check(text, place)]
    print("\n".join(map(str, found)) or f"{len(texts)} texts are plain")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
