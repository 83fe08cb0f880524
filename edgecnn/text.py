"""Texts for people, made to fit without losing what matters."""

from __future__ import annotations


def shortened(text: str, limit: int) -> str:
    """One line of at most `limit` characters: what does not fit is left out of the middle.

    Messages of libraries begin with what failed and end with why, and name the operator at
    either end.
    """
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    kept = limit - 3
    head = kept * 2 // 3
    return f"{line[:head].rstrip()} … {line[len(line) - (kept - head) :].lstrip()}"
