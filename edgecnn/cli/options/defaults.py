"""Options whose default is the library's own: written there once, and shown here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgecnn.cli.options.kinds import Command


class _Defaulted(click.Option):
    """An option that shows a default and does not set it."""

    def get_help_extra(self, ctx: click.Context) -> Any:
        extra = super().get_help_extra(ctx)
        if "default" in extra and isinstance(self.show_default, str):
            extra["default"] = self.show_default  # click sets it in parentheses
        return extra


def defaulted(*names: str, default_text: str, **attributes: Any) -> Callable[[Command], Command]:
    """An option that is None where it was not passed; the command leaves it out of its call (see
    `without_none`). `default_text` is what the library then takes, as the option has it.
    """
    return click.option(
        *names, cls=_Defaulted, default=None, show_default=default_text, **attributes
    )


def without_none(**values: Any) -> dict[str, Any]:
    """The values that were passed, for a call that has defaults of its own."""
    return {name: value for name, value in values.items() if value is not None}
