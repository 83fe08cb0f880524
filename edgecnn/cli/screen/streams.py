"""Text in any locale: files and their names are UTF-8, and the terminal gets what it can show.

In an ASCII or Latin-1 locale Python reads names, and libraries read files, in that encoding, and
"→" or "µ" would end a command with a UnicodeEncodeError; a file name that is not UTF-8 does so in
any locale. Here signs become their plain spelling and other characters their escapes.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

PLAIN = {
    "→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": "*", "±": "+/-",
    "≤": "<=", "≥": ">=", "≈": "~", "µ": "u", "μ": "u", "°": " deg", "█": "#", "━": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'", "“": '"', "”": '"', "«": '"', "»": '"',
    "√": "sqrt", "²": "^2", "³": "^3", "✓": "yes", "✗": "no",
    "\N{NO-BREAK SPACE}": " ", "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip
HANDLER = "edgecnn-plain"


def ensure_utf8() -> None:
    """Start this process again in Python's UTF-8 mode where the locale is another.

    What is printed stays in the terminal's encoding.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8" or not sys.executable:
        return
    environment = {"PYTHONIOENCODING": getattr(sys.stdout, "encoding", "ascii"), **os.environ}
    environment["PYTHONUTF8"] = "1"
    with contextlib.suppress(OSError):  # then in the locale's encoding, as far as it goes
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def make_safe() -> None:
    """Let both streams write what their encoding lacks in plain spelling."""
    codecs.register_error(HANDLER, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for the characters that cannot be encoded: a codecs error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain_spelling, error.object[error.start : error.end])), error.end


def _plain_spelling(char: str) -> str:
    return PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode("ascii")
