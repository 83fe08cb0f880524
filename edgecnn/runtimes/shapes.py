"""Fixed shapes from the shapes a model file declares: the batch is ours, all else must be fixed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgecnn.errors import InputError, UnsupportedError

Dimension = int | str | None
"""A size, or a name or None where the model leaves the dimension open."""

_NUMERIC = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")


def fix_shapes(
    shapes: Sequence[tuple[str, Sequence[Dimension]]], batch: int
) -> list[tuple[int, ...]]:
    """The shape each input gets: an open first dimension becomes `batch`.

    `shapes` are (input name, declared shape). Raises InputError when another dimension is
    open, and when every input has a fixed batch that is not `batch`. Inputs of rank below 2
    (a scalar threshold, say) have no batch.
    """
    fixed = [_fix(name, tuple(shape), batch) for name, shape in shapes]
    batched = [shape for shape in fixed if len(shape) >= 2]
    if batched and all(shape[0] != batch for shape in batched):
        have = batched[0][0]
        raise InputError(
            f"the model takes batches of exactly {have}, asked for: {batch}",
            hint=f"ask for batch {have}, or convert the model with an open batch dimension",
        )
    return fixed


def check_dtype(name: str, dtype: str) -> None:
    """Raise UnsupportedError for an input that numpy has no numbers for (text, say)."""
    if not _NUMERIC.fullmatch(dtype):
        raise UnsupportedError(
            f"input {name!r} takes {dtype}, edgecnn feeds numbers only",
            hint="convert the model with an input of numbers (text processing outside of it)",
        )


def _fix(name: str, shape: tuple[Dimension, ...], batch: int) -> tuple[int, ...]:
    if shape and _is_open(shape[0]):
        shape = (batch, *shape[1:])
    if any(_is_open(size) for size in shape):
        shown = ", ".join(
            ("?" if size is None or isinstance(size, int) else size)
            if _is_open(size)
            else str(size)
            for size in shape
        )
        raise InputError(
            f"input {name!r} has shape ({shown}): every dimension but the batch needs a fixed size",
            hint="export the model with a fixed input size",
        )
    return tuple(int(size) for size in shape if size is not None)


def _is_open(size: Dimension) -> bool:
    return not isinstance(size, int) or size < 0
