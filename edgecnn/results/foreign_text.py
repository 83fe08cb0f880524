"""Sanitize untrusted text in results: from files, databases, workers, boards and model makers."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any

from edgecnn.text import harmless


def make_harmless(record: Any, *names: str) -> None:
    """Make the text in some fields of a frozen record harmless, from its `__post_init__`: whatever
    a record was made from, nothing that shows it has to think of this again.
    """
    for name in names:
        value = getattr(record, name)
        if is_dataclass(value) and not isinstance(value, type):
            value = replace(value, **harmless(vars(value)))
        object.__setattr__(record, name, harmless(value))
