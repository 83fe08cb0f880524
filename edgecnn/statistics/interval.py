"""A value with its bounds."""

from __future__ import annotations

from dataclasses import dataclass

Bounds = tuple[float, float]
"""(low, high) without an estimate, as results keep them."""


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds: a 95% interval, or the range over processes.

    None where something is not known; both bounds are known or neither, but for a range that is
    open on one side.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def around(cls, estimate: float | None, bounds: Bounds | None) -> Interval:
        """`estimate` with `bounds`, None where there are none."""
        low, high = bounds or (None, None)
        return cls(estimate, low, high)

    @classmethod
    def exactly(cls, value: float) -> Interval:
        """A value without doubt."""
        return cls(value, value, value)

    @property
    def bounds(self) -> Bounds | None:
        """(low, high); None unless both are known."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def relative_half_width(self) -> float | None:
        """Half the width as a share of the estimate; None without bounds, or around zero."""
        if self.bounds is None or not self.estimate:
            return None
        low, high = self.bounds
        return (high - low) / 2 / self.estimate


UNKNOWN = Interval()
"""Neither an estimate nor bounds."""
