"""Records of skipped or altered samples: the file and the reason.

An odd sample is left out, counted and named; the rest is used. Every reader reports through
`LeftOut`, and whoever loads data says it in one line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["file", "row", "box", "cut", "pages"]

SHOWN = 3
"""Of each kind that are named in a line; the others are counted."""
RECORDED = 20
"""That results and manifests name; beyond, they hold the count."""

_WORDS: Mapping[str, tuple[str, str, str]] = {
    "file": ("file", "files", "left out"),
    "row": ("row", "rows", "left out"),
    "box": ("box", "boxes", "left out"),
    "cut": ("box", "boxes", "cut at the edge of the image"),
    "pages": ("file", "files", "used in part"),
}


def encodable(text: str) -> str:
    """`text` with a replacement character for each lone surrogate, which JSON and YAML can name
    and no file can hold. Names of files that are not UTF-8 have them too.
    """
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


class DataWarning(UserWarning):
    """Something in the data was left out; the rest is usable."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """`file` is the path below the data set's folder, with the line where there are many in one.

    `kind`: a "file" or a "row" is a sample that is missing; of a "box" only the annotation is
    missing; what is "cut" is used, smaller than it was annotated; of "pages" the first is used.
    """

    file: str
    reason: str
    kind: Kind = "file"

    def __post_init__(self) -> None:
        for name in ("file", "reason"):
            object.__setattr__(self, name, encodable(getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"

    def to_dict(self) -> dict[str, str]:
        return {"file": self.file, "reason": self.reason, "kind": self.kind}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | str) -> LeftOut:
        """Read `to_dict`, or the line that edgecnn wrote before it had kinds."""
        if isinstance(values, str):
            file, _, reason = values.partition(": ")
            return cls(file, reason)
        kind = values.get("kind", "file")
        return cls(str(values["file"]), str(values["reason"]), kind if kind in _WORDS else "file")


def counted(count: int, one: str, many: str = "") -> str:
    """As in "1 file" and "2 files"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def described(left_out: Sequence[LeftOut], *, shown: int = SHOWN) -> str:
    """As in "2 files left out: a.jpg: truncated; b.jpg: empty"; empty where there is nothing."""
    parts = []
    for kind, (one, many, what) in _WORDS.items():
        entries = [entry for entry in left_out if entry.kind == kind]
        if entries:
            named = "; ".join(str(entry) for entry in entries[:shown])
            more = f"; and {len(entries) - shown} more" if len(entries) > shown else ""
            parts.append(f"{counted(len(entries), one, many)} {what}: {named}{more}")
    return "; ".join(parts)
