"""Texts for people, made to fit without losing what matters."""

from __future__ import annotations

import re

LONGEST_REASON = 600
"""Characters that are kept of a library's message."""
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_TRACED = "in user code:"
_KINDS = re.compile(r"^ *\w*(?:Error|Exception): ", re.MULTILINE)
_AROUND = ("Exception encountered when calling ", "Arguments received by ", "•")


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


def first_line(error: BaseException, *, text: str | None = None, kind: bool = True) -> str:
    """The first line of an error that says something, with the error's kind before it; only the
    kind where the error says nothing. `text` is what it says, where that was cut out of its page.

    What Keras and TensorFlow put around an error (the code that was traced, which layer was called
    with which arguments) is passed over.
    """
    page = _COLORS.sub("", str(error) if text is None else text)
    if page.lstrip().startswith(_TRACED):
        page = _KINDS.split(page)[-1]
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    telling = (line for line in lines if not line.startswith(_AROUND))
    message = shortened(next(telling, lines[0] if lines else ""), LONGEST_REASON)
    name = type(error).__name__
    if not message:
        return name
    return f"{name}: {message}" if kind else message


def printable(text: str) -> str:
    """`text` for a terminal: what is not printable (control characters of untrusted names, escape
    sequences) becomes a replacement character.
    """
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def only_printable(text: str) -> str:
    """`text` without what is not printable."""
    return "".join(char for char in text if char.isprintable())
