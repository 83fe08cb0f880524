"""Kinds of values: lists of names, whole numbers, shares, paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
"""The function of a verb."""
FILE = click.Path(path_type=Path)


class Names(click.ParamType[Any]):
    """A comma-separated list of names, completed from what is known, checked by the library."""

    name = "list"

    def __init__(self, known: Callable[[], list[str]]) -> None:
        self._known = known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(before + comma + name) for name in self._known() if name.startswith(last)
        ]


class Numbers(click.ParamType[Any]):
    """Whole numbers with a separator between them."""

    name = "numbers"

    def __init__(self, separator: str = ",", example: str = "1,2,4") -> None:
        self.separator = separator
        self._example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(self.separator))
        except ValueError:
            self.fail(
                f"expected whole numbers such as {self._example}; received: {value}", param, ctx
            )


class Share(click.ParamType[Any]):
    """A share written as a percentage (3%) or as a fraction (0.03)."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"expected a share such as 3% or 0.03; received: {value}", param, ctx)


class Name(Names):
    """A single name, completed from what is known, checked by the library."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return str(value)
