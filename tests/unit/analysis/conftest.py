from __future__ import annotations

from tests.unit.reporting.conftest import hostile, results

__all__ = ["hostile", "results"]
