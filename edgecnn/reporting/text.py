"""Text from results is foreign: file names, labels and error messages of anyone's making.

`clean` makes it harmless for every output at once (no control characters, no terminal
escapes, no marks that reverse the reading direction, no lone surrogates, bounded length);
`csv_cell` and `markdown_cell` add what their format needs. HTML is escaped by Jinja2 and,
inside the data block, by `json_for_script`.
"""

from __future__ import annotations

import json
import re
from typing import Any

NAME_LENGTH = 160
MESSAGE_LENGTH = 2_000

# C0 and C1 controls, soft hyphen, bidirectional marks and overrides, invisible spaces,
# line separators, interlinear marks, lone surrogates, tag characters.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~@$&!])")
_LINKS = re.compile(r"(?i)(https?)://|\bwww\.")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "|", "%")


def clean(value: object, limit: int = NAME_LENGTH) -> str:
    r"""`value` as one line of harmless text of at most `limit` characters.

    White space becomes a single space; what is invisible or steers a terminal or the reading
    direction is written out (`\x1b`, `\u202e`), so that a reader sees that it was there.
    Too long a text loses its middle.
    """
    text = str(value)
    if len(text) > 4 * limit:  # bounds the work on a megabyte of name
        text = text[: 2 * limit] + "…" + text[-2 * limit :]
    text = _HARMFUL.sub(_visible, " ".join(text.split()))
    return shorten(text, limit)


def harmless(text: str) -> str:
    """`text` with what is invisible or steers a terminal written out; its spaces stay."""
    return _HARMFUL.sub(_visible, text)


def shorten(text: str, limit: int) -> str:
    """`text` without its middle when it is longer than `limit`: both ends distinguish files."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def csv_cell(value: object, limit: int = MESSAGE_LENGTH) -> str | int | float:
    """A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection").

    Numbers stay numbers; text that starts like a formula gets a leading apostrophe.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return value
    text = clean(value, limit)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def markdown_cell(value: object, limit: int = NAME_LENGTH) -> str:
    """Text that stays text in GitHub's Markdown: no markup, links, mentions or table borders."""
    text = _MARKDOWN.sub(r"\\\1", clean(value, limit))
    return _LINKS.sub(lambda match: match.group().replace(":", "\\:").replace(".", "\\."), text)


def json_for_script(value: Any) -> str:
    """JSON that may stand inside `<script>`: nothing in it can close or open an element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
