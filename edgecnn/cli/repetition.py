"""From options back to words, derived from the parser itself: a new option needs nothing here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from edgecnn.results.repeat import ROW_OPTIONS, option_words

NOT_REPEATED = frozenset({"--out", "--force", "--debug", "--version", "--help", "--quick"})
"""Where to write is another matter each time; --quick is a spelling of --profile."""


def shared_words(benchmark: click.Command) -> tuple[str, ...]:
    """What the verb that runs now was asked for, as options of `benchmark`: without a row's own
    and without those that a repetition must not have.
    """
    context = click.get_current_context()
    own_options = {option for param in benchmark.params for option in param.opts}
    left_out = NOT_REPEATED | set(ROW_OPTIONS)
    chosen = [
        param
        for param in context.command.params
        if isinstance(param, click.Option)
        and own_options.issuperset(param.opts)
        and left_out.isdisjoint(param.opts)
    ]
    return tuple(words(chosen, context.params))


def words(params: Sequence[click.Parameter], values: Mapping[str, Any]) -> list[str]:
    """The command line that gives `params` their `values`: options first, then arguments."""
    options: list[str] = []
    arguments: list[str] = []
    for param in params:
        value = values.get(param.name or "")
        if isinstance(param, click.Argument):
            items = [value] if param.nargs == 1 else list(value or ())
            arguments += [_as_text(each) for each in items]
        elif isinstance(param, click.Option) and param.expose_value:
            for option, text in _spellings(param, value):
                options += option_words(option, text)
    if any(argument.startswith("-") for argument in arguments):
        arguments.insert(0, "--")
    return [*options, *arguments]


def _spellings(param: click.Option, value: Any) -> Iterator[tuple[str, Any]]:
    """(option, its value for `option_words`), once for each time that it stands in the command."""
    if param.is_flag:
        if isinstance(param.flag_value, str):  # another spelling of an option with a value
            return
        if value is not None:
            option = param.opts[0] if value or not param.secondary_opts else param.secondary_opts[0]
            yield option, True if param.secondary_opts else bool(value)
    elif param.multiple:
        # A callback may have made one text of it, which the option takes again as a whole.
        for each in [value] if isinstance(value, str) and value else value or ():
            yield param.opts[0], _as_text(each)
    elif value is not None and value != () and not (value == "" == param.default):
        yield param.opts[0], value if isinstance(value, float) else _as_text(value, param.type)


def _as_text(value: Any, kind: Any = None) -> str:
    """A value as its type reads it: lists with the separator between them."""
    if isinstance(value, tuple):
        return str(getattr(kind, "separator", ",")).join(map(str, value))
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
