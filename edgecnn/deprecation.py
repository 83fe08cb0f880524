"""Old names of what was renamed: they work for one more release and warn."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def old_names(module: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module in which names have changed: old name → new name, or
    "other.module:name" of what has moved.
    """

    def look_up(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, new = renamed[name].rpartition(":")
        new_place = f"{place}.{new}" if place else new
        warnings.warn(f"{module}.{name} is now {new_place}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(place or module), new)

    return look_up


def adopt_old_method(kind: type, old: str, new: str) -> None:
    """Let a plug-in's class that only has the method `old` have it as `new`, and warn."""
    new_method = getattr(kind, new, None)
    if hasattr(kind, old) and (
        new_method is None or getattr(new_method, "__isabstractmethod__", False)
    ):
        message = f"{kind.__name__}.{old} is now {new}"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        setattr(kind, new, getattr(kind, old))


def old_arguments(**renamed: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: keyword arguments by their old names, `old="new"`, are taken, with a warning."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in renamed.keys() & kwargs.keys():
                message = f"the argument `{old}` is now `{renamed[old]}`"
                warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[renamed[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


def old_attribute(old: str, new: str) -> Any:
    """A property that reads the attribute `new` by its name `old`, and warns."""

    def read(self: Any) -> Any:
        message = f"{type(self).__name__}.{old} is now {new}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(read)
