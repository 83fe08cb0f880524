"""Folders of the user that edgecnn keeps things in, and the package's own.

They follow the XDG base directory specification on every system. platformdirs takes 1 MB and 0.04 s
to import, a fifth of what `edgecnn --help` may take, for these two functions; and it would move
what lies there already on macOS.
"""

from __future__ import annotations

import os
from pathlib import Path

ASSETS = Path(__file__).parents[1] / "assets"
"""What ships inside of the package: detectors, the schema of results."""


def data_home() -> Path:
    """What is to last: $EDGECNN_HOME, by default `edgecnn` in the user's data folder."""
    own = os.environ.get("EDGECNN_HOME")
    if own:
        return Path(own)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "edgecnn"


def cache_home() -> Path:
    """What can be made again: $EDGECNN_HOME, by default `edgecnn` in the user's cache folder."""
    own = os.environ.get("EDGECNN_HOME")
    if own:
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edgecnn"
