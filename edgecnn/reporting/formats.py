"""The old names of `edgecnn.numbers`, for one more release."""

from __future__ import annotations

from edgecnn.deprecation import old_names

_NAMES = (
    "DASH",
    "aligned",
    "decimals",
    "interval",
    "number",
    "percent",
    "percent_interval",
    "plural",
    "points",
    "size",
)

__getattr__ = old_names(__name__, {name: f"edgecnn.numbers:{name}" for name in _NAMES})
