"""What the file that is chosen may take: time, memory, space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from edgecnn.cli.options.collecting import collected
from edgecnn.cli.options.kinds import Command


@dataclass(frozen=True)
class LimitOptions:
    """The limits as they were typed; None is no limit."""

    max_latency: str | None
    max_memory: str | None
    max_size: str | None

    def parse(self) -> dict[str, Any]:
        """The limits as fields of a goal. Raises InputError for what is no time or size."""
        from edgecnn.optimization.goal import parse_latency, parse_size

        latency, memory, size = self.max_latency, self.max_memory, self.max_size
        return {
            "max_latency_ms": parse_latency(latency) if latency else None,
            "max_memory_bytes": parse_size(memory, "--max-memory") if memory else None,
            "max_size_bytes": parse_size(size, "--max-size") if size else None,
        }


def limits(*, size: str) -> Callable[[Command], Command]:
    """--max-latency, --max-memory and --max-size, given to the command as one `limits`; `size` is
    the example of a size.
    """
    return collected(
        "limits",
        LimitOptions,
        {
            "max_latency": click.option(
                "--max-latency", metavar="TIME", help="Median latency, as in 10ms."
            ),
            "max_memory": click.option(
                "--max-memory", metavar="SIZE", help="Peak memory, as in 50MB."
            ),
            "max_size": click.option(
                "--max-size", metavar="SIZE", help=f"Size of the file, as in {size}."
            ),
        },
    )
