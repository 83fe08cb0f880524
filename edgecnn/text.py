"""Texts for people, made to fit without losing what matters."""

from __future__ import annotations


def shortened(text: str, limit: int) -> str:
    """One line of at most `limit` characters: what does not fit is left out of the middle, whole
    words where there are any.

    Messages of libraries begin with what failed and end with why, and name the operator at
    either end.
    """
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    kept = limit - 3
    head = kept * 2 // 3
    start, end = line[: head + 1], line[len(line) - (kept - head) - 1 :]
    start = start.rpartition(" ")[0] or start[:-1]
    end = end.partition(" ")[2] or end[1:]
    return f"{start.rstrip()} … {end.lstrip()}"


def words(text: str) -> frozenset[str]:
    """The words of a long list."""
    return frozenset(text.split())
