"""Number of elements of a tensor, from the sizes in its file."""

from __future__ import annotations

from collections.abc import Iterable

LARGEST = 1 << 63


def elements(sizes: Iterable[int]) -> int:
    """The product of the sizes; an open one (below 0) counts as 0.

    Raises ValueError for more than any file holds. A hostile file states a million sizes, whose
    product would keep its reader busy for an hour.
    """
    count = 1
    for size in sizes:
        count *= max(size, 0)
        if count >= LARGEST:
            raise ValueError("a tensor is larger than any file")
    return count
