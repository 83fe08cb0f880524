"""Detection heads, one file each: which outputs are theirs, and how these become boxes."""

from __future__ import annotations

from collections.abc import Collection

from edgecnn.detection.heads.base import DEFAULT_MIN_SCORE, DetectorSignature, Head
from edgecnn.errors import InputError
from edgecnn.postprocessing import Postprocessing
from edgecnn.registry import HEADS

__all__ = ["DEFAULT_MIN_SCORE", "DetectorSignature", "Head", "find_head", "head_class", "open_head"]


def head_class(name: str) -> type[Head]:
    """The head of that name. Raises InputError, with the known names, for another."""
    head: type[Head] = HEADS.load(name)
    return head


def open_head(
    settings: Postprocessing,
    *,
    every_class: bool = False,
    wanted: Collection[int] | None = None,
) -> Head:
    """The head that a record names, with what the record says; see `Head`. Raises InputError for
    one that nobody registered.
    """
    return head_class(settings.head)(settings, every_class=every_class, wanted=wanted)


def find_head(signature: DetectorSignature, name: str) -> Postprocessing:
    """What to know of a detector's head, found by its outputs and metadata.

    `name` is for the message. Raises InputError where no head has such outputs, and where several
    could.
    """
    records = [
        record for head in HEADS.names() if (record := head_class(head).find(signature)) is not None
    ]
    if signature.end_to_end:
        records = [record for record in records if record.head == "end_to_end"] or records
    if len(records) == 1:
        return records[0]
    shapes = ", ".join(_shape_text(shape) for shape in signature.outputs) or "none"
    heads = records or [Postprocessing(head) for head in HEADS.names()]
    which = ", ".join(record.head for record in heads)
    reason = "one of several heads" if records else "one whose head is not known"
    raise InputError(
        f"{name}: not a detector, or {reason}: {shapes} for images of "
        f"{signature.width}×{signature.height}",
        hint=f"name the head that its maker used: --head NAME, one of {which}",
    )


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join(["n", *("?" if size is None else str(size) for size in shape)]) + ")"
