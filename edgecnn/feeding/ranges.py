"""Infer the expected input range from a model's first operators: 0…255, 0…1 or −1…1."""

from __future__ import annotations

import numpy as np

from edgecnn.formats.front import Values

_NOTHING = 0.02
_OFFSETS = (("imagenet-torch", -2.118, 2.64, 0.03), ("caffe", -123.68, 151.06, 1.5))
"""Presets whose ends nobody else has: black and white, over all channels, and how far off."""


def expected_by(scale: Values, offset: Values) -> str | None:
    """The preset (see `preprocessing.PRESETS`) that x × scale + offset makes sense for.

    The input that becomes 0 (the center) and the one by which the output moves by 1 (the
    spread) show it: a network works on numbers around 0 of a size around 1, so Rescaling(1/255)
    is for 0…255. None where nothing is done, and where two readings are possible.
    """
    # Spreads beyond 255 are pixels that are scaled twice, and samples of 16 bits.
    slope, added = float(np.median(scale)), float(np.median(offset))
    if not np.isfinite([slope, added]).all() or abs(slope) < 1e-9:
        return None
    if abs(slope - 1) < _NOTHING and abs(added) < _NOTHING:
        return None
    center, spread = -added / slope, 1 / abs(slope)
    scaled = 16 <= spread <= 70_000 and -32 <= center <= 288
    only_centered = 0.5 <= spread < 16 and 60 <= center <= 200
    standardized = spread <= 1 and 0.1 <= center <= 0.9
    times_255 = spread <= 1 / 100 and abs(center) < 0.05
    from_symmetric = spread <= 2.5 and abs(center + 1) < 0.05
    readings = {
        "raw": scaled or only_centered,
        "0..1": standardized or times_255,
        "-1..1": from_symmetric,
    }
    return next((preset for preset, fits in readings.items() if fits), None)


def expected_of(low: float, high: float) -> str | None:
    """The preset whose values an integer tensor of `low` … `high` holds, None for another range.

    Calibration leaves ranges somewhat short of the ends: the brightest pixel seen was 229, say.
    """
    if -0.02 * high <= low <= 0.02 * high and 96 <= high <= 264:
        return "raw"
    if -0.02 <= low <= 0.02 and 0.5 <= high <= 1.04:
        return "0..1"
    if -1.04 <= low <= -0.6 and 0.6 <= high <= 1.04:
        return "-1..1"
    for preset, lowest, highest, least in _OFFSETS:
        if abs(low - lowest) < least and abs(high - highest) < least:
            return preset
    return None
