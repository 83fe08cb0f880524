"""Words for the arithmetic that executes: what `effective.precision` can say.

float32, float16, bfloat16, tf32    the number format of products
float16_weights                     float32 products, the weights rounded to float16 before
int8, uint8                         integer products of quantized data and weights
int16x8                             16-bit data, 8-bit weights
dynamic_int8                        as int8, data quantized on the fly at each inference
"""

from __future__ import annotations

from collections.abc import Mapping


def dominant(counts: Mapping[str, int], otherwise: str) -> str:
    """The precision of most compute nodes (the first of equals); `otherwise` without any."""
    return max(counts, key=lambda name: counts[name]) if counts else otherwise
