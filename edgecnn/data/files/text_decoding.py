"""Bytes → lines of text: UTF-8, what a spreadsheet saves as Unicode, and other encodings by name.

A line that is not UTF-8 is marked (by lone surrogates) and left to the caller to leave out.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.files import read_file

MAX_BYTES = 1 << 30
MOST_BAD = 0.1
"""Share of lines that are not UTF-8 from which on it is not an odd line but another encoding."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_UNDEFINED = re.compile(b"[\x81\x8d\x8f\x90\x9d]")
"""Bytes that are not a character in Windows-1252."""
_LOOKED_AT = 1 << 16


def check_encoding(encoding: str) -> None:
    """Raise InputError for an encoding that there is not."""
    try:
        if encoding:
            codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(
            f"unknown encoding: {encoding!r}", hint="such as utf-8, utf-16-le, windows-1252, gbk"
        ) from error


def text_lines(path: Path, encoding: str = "", *, source: str = "text") -> list[str]:
    """The lines of a file without their ends, which may be those of old Macs. `source` is the data
    source that reads them, for what an error advises.

    Raises InputError for a file that cannot be read, or is not in the `encoding`; without one,
    for a file of which more than a few lines are not UTF-8.
    """
    content = read_file(path, limit=MAX_BYTES)
    text = _decoded(content, path, encoding)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\n" not in text:
            text = text.replace("\r", "\n")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    bad = [number for number, line in enumerate(lines, start=1) if not is_text(line)]
    if len(bad) > MOST_BAD * len(lines):
        raise InputError(
            f"{path}, line {bad[0]}: {why_no_text(lines[bad[0] - 1])} "
            f"({len(bad)} of {len(lines)} lines)",
            hint=_hint(content, f"{source}:{path.name}"),
        )
    return lines


def is_text(line: str) -> bool:
    """Whether all of a line could be decoded."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def why_no_text(line: str) -> str:
    """Which byte of a marked line is not UTF-8."""
    column = next(n for n, char in enumerate(line) if "\ud800" <= char <= "\udfff")
    return f"byte 0x{ord(line[column]) & 0xFF:02x} at column {column + 1} is not UTF-8"


def _decoded(content: bytes, path: Path, encoding: str) -> str:
    if encoding:
        try:
            return content.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise InputError(f"{path} is not {encoding}: {error}") from error
    for mark, name in _MARKS:
        if content.startswith(mark):
            errors = "surrogateescape" if name == "utf-8-sig" else "replace"
            return content.decode(name, errors)
    guessed = _without_mark(content)
    return content.decode(guessed, "replace" if guessed != "utf-8" else "surrogateescape")


def _without_mark(content: bytes) -> str:
    """UTF-16 where every other byte of the beginning is 0, as in text of Western languages."""
    start = content[: _LOOKED_AT // 2 * 2]
    half = max(len(start) // 2, 1)
    if start[1::2].count(0) > 0.5 * half and start[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if start[::2].count(0) > 0.5 * half and start[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return "utf-8"


def _hint(content: bytes, data: str) -> str:
    if _UNDEFINED.search(content):
        return f"convert the file to UTF-8, or name its encoding as in {data}?encoding=gbk"
    return (
        f"if it is Windows-1252 (Western European): {data}?encoding=windows-1252, or "
        f"iconv -f WINDOWS-1252 -t UTF-8 {data.partition(':')[2]}"
    )
