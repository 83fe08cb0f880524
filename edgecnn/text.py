"""Shorten texts for display, and remove control characters.

Text from results, boards and model files is foreign: file names, labels and error messages of
anyone's making. Records of results make it `harmless` when they are made (`results.foreign_text`),
so that what shows them only fits and escapes it. Names that must stay as they are (of files, of
layers, of classes) are made `printable` where they are shown, or `clean`: a line of bounded length
as well. `only_printable` is for names that are compared, where nothing may be added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST_REASON = 600
"""Characters that are kept of a library's message."""
NAME_LENGTH = 160
MESSAGE_LENGTH = 2_000
# C0 and C1 controls, soft hyphen, bidirectional marks and overrides, invisible spaces,
# line separators, interlinear marks, lone surrogates, tag characters.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_STEERING = re.compile(_HARMFUL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f", 1))
"""The same without line feeds and tabs."""
_NUMBERS = frozenset({int, float, bool, type(None)})
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_TRACED = "in user code:"
_KINDS = re.compile(r"^ *\w*(?:Error|Exception): ", re.MULTILINE)
_AROUND = ("Exception encountered when calling ", "Arguments received by ", "•")


def shortened(text: str, limit: int) -> str:
    """One line of at most `limit` characters: what does not fit is left out of the middle, whole
    words where there are any.

    Messages of libraries begin with what failed and end with why, and name the operator at
    either end; names of files differ at either end, too.
    """
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    kept = max(0, limit - 3)
    head = kept * 2 // 3
    start, end = line[: head + 1], line[len(line) - (kept - head) - 1 :]
    if " " not in start and " " not in end:
        head = (limit - 1) * 2 // 3
        return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
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
    message = shortened(printable(next(telling, lines[0] if lines else "")), LONGEST_REASON)
    name = type(error).__name__
    if not message:
        return name
    return f"{name}: {message}" if kind else message


def printable(text: str) -> str:
    r"""`text` with what is invisible or steers a terminal or the reading direction written out
    (`\x1b`, `\u202e`), so that a reader sees that it was there; its spaces stay.
    """
    return _HARMFUL.sub(_visible, text)


def harmless(value: Any) -> Any:
    """A value as JSON has it, with every text in it printable, keys as well; lines stay lines."""
    if isinstance(value, str):
        return _STEERING.sub(_visible, value.replace("\r\n", "\n"))
    if isinstance(value, Mapping):
        return {harmless(key): harmless(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not set(map(type, value)) <= _NUMBERS:
        return type(value)(map(harmless, value))
    return value


def clean(value: object, limit: int = NAME_LENGTH) -> str:
    r"""`value` as one line of harmless text of at most `limit` characters.

    White space becomes a single space; what is invisible or steers a terminal or the reading
    direction is written out (`\x1b`, `\u202e`), so that a reader sees that it was there.
    Too long a text loses its middle.
    """
    return shortened(printable(" ".join(_bounded(value, limit).split())), limit)


def fitted(value: object, limit: int = NAME_LENGTH) -> str:
    """`value`, which is harmless already, as one line of at most `limit` characters."""
    return shortened(_bounded(value, limit), limit)


def _bounded(value: object, limit: int) -> str:
    """`value` as text, without the middle of a megabyte of it: bounds the work on the rest."""
    text = str(value)
    return text if len(text) <= 4 * limit else text[: 2 * limit] + "…" + text[-2 * limit :]


def only_printable(text: str) -> str:
    """`text` without what is not printable, for names that are compared."""
    return "".join(char for char in text if char.isprintable())


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
