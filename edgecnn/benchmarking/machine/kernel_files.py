"""Small files in which the kernel reports a number or a word, as below /sys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)


def number_in(path: Path, kind: Callable[[str], Number]) -> Number | None:
    """The number in a file; None where there is none."""
    try:
        return kind(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def text_in(path: Path) -> str:
    """The text of a file in one piece; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
