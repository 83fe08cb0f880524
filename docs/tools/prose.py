"""Plain English: phrases of this project's past that a stranger stumbles over, and what to write.

    python -m docs.tools.prose [FILE …]        exit code 1 when something is found
    python -m docs.tools.prose --commands      the help texts of every command instead

README, CONTRIBUTING, demos and docs are checked, and the comments, docstrings and messages of the
package. Code between backticks and in blocks is left out. The list is `style.toml`.
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
"""Those beside `docs` whose README is read, too."""
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
    """What not to write, with what to write instead."""
    listed = tomllib.loads(STYLE.read_text(encoding="utf-8"))["rule"]
    return [(re.compile(rule["not"], re.IGNORECASE), rule["but"]) for rule in listed]


def check(text: str, place: str) -> Iterator[Finding]:
    """Findings in a text of Markdown, or a program where `place` ends in .py; code is left out."""
    if place.endswith(".py"):
        yield from _check_program(text, place)
        return
    plain = re.sub(r"(?ms)^```.*?^```", lambda match: "\n" * match[0].count("\n"), text)
    plain = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", " ", plain)
    known = rules()
    for number, line in enumerate(plain.splitlines(), 1):
        for pattern, instead in known:
            for match in pattern.finditer(line):
                yield Finding(f"{place}:{number}", match[0].strip(), instead)


def _check_program(text: str, place: str) -> Iterator[Finding]:
    """Findings in the comments of a program, and in its strings of more than one word."""
    if not any(pattern.search(text) for pattern, _ in rules()):
        return  # most files: splitting them into tokens takes longest
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if tokenize.tok_name[token.type] not in ("COMMENT", "STRING", "FSTRING_MIDDLE"):
            continue
        said = re.sub(r"`[^`]*`|'\w+'|\{[^{}]*\}", " ", token.string)
        if " " in said.strip():
            for pattern, instead in rules():
                for match in pattern.finditer(said):
                    line = token.start[0] + said[: match.start()].count("\n")
                    yield Finding(f"{place}:{line}", match[0].strip(), instead)


def programs() -> list[Path]:
    """The package's modules."""
    return sorted((ROOT / "edgecnn").rglob("*.py"))


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
