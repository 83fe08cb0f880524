"""The command line's reference, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from edgecnn.cli.screen.sections import by_heading
from edgecnn.cli.verbs import EXIT_CODES, GROUPS, command


def verbs() -> str:
    """Every verb under its group, every option of it."""
    context = click.Context(command, info_name="edgecnn")
    parts = []
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            verb = command.get_command(context, name)
            if verb is None:
                raise LookupError(f"no verb {name}")
            parts.extend(_described(verb, click.Context(verb, info_name=name, parent=context), 3))
    return "\n".join(parts)


def exit_codes() -> str:
    """A table of the exit codes."""
    rows = "\n".join(f"| {code} | {_escaped(meaning)} |" for code, meaning in EXIT_CODES)
    return f"| code | meaning |\n|---|---|\n{rows}\n"


def _described(verb: click.Command, context: click.Context, level: int) -> Iterator[str]:
    path = context.command_path
    yield f"{'#' * level} {path} {{ #{path.replace(' ', '-')} }}\n"
    usage = " ".join([path, *verb.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n"
    if verb.help:
        yield _paragraphs(verb.help)
    if isinstance(verb, click.Group):
        for name in verb.list_commands(context):
            inner = verb.get_command(context, name)
            if inner is not None and not inner.hidden:
                inside = click.Context(inner, info_name=name, parent=context)
                yield from _described(inner, inside, level + 1)
        return
    yield from _options(verb, context)


def _options(verb: click.Command, context: click.Context) -> Iterator[str]:
    sections = by_heading(verb, context)
    for title, options in sections.items():
        if len(sections) > 1:
            yield f"**{title}**\n"
        for option, (left, right) in options:
            if "--help" not in option.opts:
                yield f"`{' '.join(left.split())}`\n:   {_escaped(right) or '–'}\n"


def _paragraphs(text: str) -> str:
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\b\n", ""))
    return "\n\n".join(_escaped(" ".join(block.split())) for block in blocks) + "\n"


def _escaped(text: str) -> str:
    """Text of a help screen as Markdown: a star, a bracket or an underscore is no markup."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]|])", r"\\\1", part) for part in parts
    )
