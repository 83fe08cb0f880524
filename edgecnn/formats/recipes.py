"""The recipe of a model file, read off its tensors: not what was asked for, not what the file is
called.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

from edgecnn.formats.base import UNREADABLE
from edgecnn.formats.kinds import by_suffix

FLOATS = ("float32", "float16", "bfloat16", "float64")
BYTES = ("int8", "uint8")
NIBBLES = ("int4", "uint4", "int2", "uint2")
MADE = ("float32", "float16", "dynamic_int8", "static_int8", "int16x8")
"""Recipes of files that edgecnn makes, by their arithmetic: presets differ in how numbers are found
as well.
"""
QUANTIZED = ("dynamic_int8", "int8_weights", "int4_weights", "static_int8", "int16x8")
RECIPES = (*FLOATS, *QUANTIZED)
"""All that `recipe_in` reads off files but policies of Keras, in the order of charts."""


def recipe_in(path: Path) -> str:
    """The recipe by which most of a file's weights are stored and its values are computed.

    float32, float16, bfloat16 or float64; dynamic_int8 (int8 weights, values quantized at each
    inference), int8_weights (int8 weights that are dequantized), int4_weights, static_int8,
    int16x8; of a `.keras` file the policy of its layers. Empty where the file does not say: it
    has no weights, or cannot be read (whether it is whole is judged elsewhere).
    """
    known = by_suffix(Path(path))
    if known is None:
        return ""
    try:
        return known.recipe(Path(path))
    except (*UNREADABLE, OSError, struct.error):
        return ""


def named(
    weights: Counter[str], values: Counter[str], *, dynamic: bool = False, static: bool = False
) -> str:
    """The recipe's name, from what a graph stores and how it computes.

    `weights` are how many elements are stored in each dtype, `values` in which dtype the results
    of operators are. `dynamic`: values are quantized at each inference; `static`: they are by
    fixed scales.
    """
    counted = Counter(
        {name: count for name, count in weights.items() if name in (*FLOATS, *BYTES, *NIBBLES)}
    )
    integers = values["int8"] + values["uint8"]
    whole = integers + values["int16"]
    if not counted and not static:
        return ""
    most = max(counted, key=lambda name: counted[name]) if counted else "int8"
    computed = "int16x8" if values["int16"] > integers else "static_int8"
    if most in NIBBLES:
        return "int4_weights"
    if most in FLOATS and not (static and whole):
        return "dynamic_int8" if dynamic and _some_bytes(counted) else most
    if static or whole > values["float32"] + values["float16"]:
        return computed
    return "dynamic_int8" if dynamic else "int8_weights"


def _some_bytes(counted: Counter[str]) -> bool:
    """Enough of them to be weights: a model whose largest table stays float is dynamic too."""
    total = sum(counted.values())
    return sum(counted[name] for name in BYTES) > 0.1 * total
