"""Several options as one: in reading order, and given to the command as a single argument."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

from edgecnn.cli.options.kinds import Command


def in_order(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """`options` as one decorator; the help screen shows them in this order."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def collected(
    argument: str, build: Callable[..., object], options: Mapping[str, Callable[[Any], Any]]
) -> Callable[[Command], Command]:
    """`options` by parameter name; the command gets what `build` makes of their values, as one
    `argument`.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_argument(**values: Any) -> Any:
            own = {name: values.pop(name) for name in options}
            return function(**{argument: build(**own)}, **values)

        return cast("Command", in_order(*options.values())(with_argument))

    return decorate
