"""Layers whose weights have shapes and no values: for looking at a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType

_WAITING = "uninitialized_variables"
"""Where Keras keeps those that it will initialize at its next occasion."""


@contextlib.contextmanager
def without_values(keras: ModuleType) -> Iterator[None]:
    """Layers built in here get no values, neither now nor later.

    Raises ValueError inside, as Keras does, for a variable that is made from a value.
    """
    try:
        from keras.src.backend.common import global_state
    except ImportError:  # a Keras that has it elsewhere: values come later, for nothing
        global_state = None
    waiting = list(global_state.get_global_attribute(_WAITING) or ()) if global_state else []
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        if global_state:
            global_state.set_global_attribute(_WAITING, waiting)
