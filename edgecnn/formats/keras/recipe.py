"""In which precision the layers of a .keras file compute, read off its config.json."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edgecnn.formats.keras.config import read_config


def recipe_of(path: Path) -> str:
    """See `recipes.recipe_in`. Raises ValueError or OSError for a file that is not whole."""
    config = read_config(path)
    if config is None:
        return ""
    policies: Counter[str] = Counter()
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            settings = value.get("config")
            kind = str(value.get("class_name"))
            if kind.endswith("DTypePolicy") and isinstance(settings, dict):
                policies[str(settings.get("name") or settings.get("mode"))] += 1
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    half = {name: count for name, count in policies.items() if name != "float32"}
    return max(half, key=lambda name: half[name]) if half else "float32"
