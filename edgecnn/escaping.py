"""Foreign text inside another format: a cell of a spreadsheet or of Markdown, a script element.

`edgecnn.text.clean` makes text harmless for every output at once; these add what their format
needs. HTML is escaped by Jinja2 and, inside the data block, by `json_for_script`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from edgecnn.text import MESSAGE_LENGTH, NAME_LENGTH, clean

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~@$&!])")
_LINKS = re.compile(r"(?i)(https?)://|\bwww\.")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "|", "%")


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
