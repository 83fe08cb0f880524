"""Old names of what was renamed: they work for one more release and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def old_names(module: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module in which names have changed: old name → new name, or
    "other.module:name" of what has moved.
    """

    def look_up(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, new = renamed[name].rpartition(":")
        said = f"{place}.{new}" if place else new
        warnings.warn(f"{module}.{name} is now {said}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(place or module), new)

    return look_up


def adopt_old_method(kind: type, old: str, new: str) -> None:
    """Let a plug-in's class that only has the method `old` have it as `new`, and warn."""
    there = getattr(kind, new, None)
    if hasattr(kind, old) and (there is None or getattr(there, "__isabstractmethod__", False)):
        said = f"{kind.__name__}.{old} is now {new}"
        warnings.warn(said, DeprecationWarning, stacklevel=3)
        setattr(kind, new, getattr(kind, old))
