"""The formats that edgecnn reads, by name and by file ending, and how anything else is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.formats.base import Format
from edgecnn.registry import FORMATS, unknown_name


@dataclass(frozen=True)
class Content:
    """`format` is one that edgecnn reads, or empty; `what` names anything else, `hint` says what
    to do.
    """

    format: str
    what: str
    hint: str = ""


def all_formats() -> tuple[type[Format], ...]:
    """Every registered format, those of edgecnn first."""
    return tuple(FORMATS.load(name) for name in FORMATS.names())


def known_suffixes() -> tuple[str, ...]:
    """Endings of model files, in small letters."""
    return tuple(suffix for each in all_formats() for suffix in each.suffixes)


def by_suffix(path: Path) -> type[Format] | None:
    """The format that a file's ending stands for; None for an ending that nobody registered."""
    ending = path.suffix.lower()
    return next((each for each in all_formats() if ending in each.suffixes), None)


def format_of(path: Path, kind: str = "model format") -> type[Format]:
    """As `by_suffix`; raises InputError with the known endings for any other."""
    file_format = by_suffix(path)
    if file_format is None:
        raise unknown_name(kind, path.suffix.lower(), known_suffixes())
    return file_format


def graphs_in(name: str) -> str:
    """The format of the graphs in files of the format `name`, where they hold several that are
    used together; empty for all others.
    """
    return str(FORMATS.load(name).graphs) if name in FORMATS.names() else ""


def graphs_inside(path: Path) -> str:
    """As `graphs_in`, for a file by its ending."""
    known = by_suffix(path)
    return known.graphs if known is not None else ""


def content_of(known: type[Format]) -> Content:
    """A file of a format that edgecnn reads."""
    return Content(known.name, known.title)
