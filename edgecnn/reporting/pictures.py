"""One picture as a file of its own."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import InputError
from edgecnn.results import Results


def render(results: Sequence[Results], picture: str, kind: str) -> bytes:
    """The picture as PNG, SVG or PDF bytes."""
    raise InputError(f"no picture {picture!r} as {kind} of {len(results)} results")
