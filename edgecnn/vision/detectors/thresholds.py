"""Score thresholds of a detector, by input size and mode.

A larger input, and a second look from nearer, see more, and take more for a sign: a file that ships
has a threshold for its own input (`metrics.min_score` in its manifest), for larger ones
(`min_score_640` for longer sides above its own up to 640, and so on), and for a second look
(`min_score_second_look`). `benchmarks/ship_stop_signs.py` chooses them.
"""

from __future__ import annotations

from collections.abc import Mapping

KEY = "min_score"
SECOND_LOOK = f"{KEY}_second_look"


def key_of(side: int) -> str:
    """What the threshold for inputs with this longer side is called."""
    return f"{KEY}_{side}"


def for_size(metrics: Mapping[str, float], longer: int, own: int) -> dict[str, float]:
    """`metrics` of a file whose input has the longer side `own`, at the longer side `longer`.

    The threshold is that of the least known side that is not smaller, or of the largest.
    """
    known = {
        int(side): score
        for name, score in metrics.items()
        if (side := name.removeprefix(f"{KEY}_")) != name and side.isascii() and side.isdigit()
    }
    larger = sorted(side for side in known if side > own)
    if longer <= own or not larger:
        return dict(metrics)
    chosen = next((one for one in larger if one >= longer), larger[-1])
    return {**metrics, KEY: known[chosen]}
