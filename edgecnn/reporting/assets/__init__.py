"""The files that pages are made of, read from wherever the package is installed."""

from __future__ import annotations

from importlib import resources


def read(name: str) -> str:
    """The text of the asset `name`."""
    return resources.files(__name__).joinpath(name).read_text("utf-8")
