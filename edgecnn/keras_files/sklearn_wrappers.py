"""Keras's wrappers for scikit-learn, loaded when they are used.

Keras imports scikit-learn, where it is installed, and with it SciPy's statistics: a quarter of what
starting Keras takes, for three classes that hardly anybody uses.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_PUBLIC = ("keras.wrappers", "keras._tf_keras.keras.wrappers")
_OWN = "keras.src.wrappers"


@contextmanager
def left_for_later() -> Iterator[None]:
    """Import Keras in here: without scikit-learn, until one of the wrappers is asked for."""
    if "sklearn" in sys.modules:
        yield
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # makes its import fail at once
    try:
        yield
    finally:
        del sys.modules["sklearn"]
    for name in _PUBLIC:
        if name in sys.modules:
            _load_on_demand(sys.modules[name])


def _load_on_demand(module: ModuleType) -> None:
    """Take the classes out of a public module; whoever asks for one gets it with scikit-learn."""
    waiting = [name for name in vars(module) if name.startswith("SKLearn")]
    for name in waiting:
        delattr(module, name)

    def load(attribute: str) -> Any:
        if attribute not in waiting:
            raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
        own = importlib.import_module(f"{_OWN}.sklearn_wrapper")
        if "sklearn" not in sys.modules:  # its first time: it was loaded without
            for loaded in [name for name in sys.modules if name.startswith(_OWN)]:
                del sys.modules[loaded]
            own = importlib.import_module(f"{_OWN}.sklearn_wrapper")
        wrapper = getattr(own, attribute)
        setattr(module, attribute, wrapper)
        return wrapper

    module.__getattr__ = load  # type: ignore[method-assign]
