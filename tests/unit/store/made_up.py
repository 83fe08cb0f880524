"""Sessions over time for tests: one row or a few, with latencies that are planted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from edgecnn.results import Environment, Results
from tests.unit.reporting import factory

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def session(
    day: int,
    slowdown: float = 1.0,
    *,
    packages: dict[str, str] | None = None,
    rows: int = 1,
    seed: int | None = None,
    session_spread: float = 0.008,
    board: str | None = "Board A",
    model_from: int = 0,
    **changes: object,
) -> Results:
    """The results of one day; `slowdown` is planted, `session_spread` differs by the day."""
    rng = np.random.default_rng(1_000 + day if seed is None else seed)
    shift = slowdown * float(np.exp(rng.normal(0, session_spread)))
    began = START + timedelta(days=day)
    made = []
    for number in range(rows):
        row = factory.measurement(
            model=f"net{model_from + number}", samples=40, slowdown=shift, rng=rng, **changes
        )
        runs = tuple(
            replace(run, started_at=(began + timedelta(seconds=index)).isoformat())
            for index, run in enumerate(row.runs)
        )
        made.append(replace(row, runs=runs))
    base = factory.environment(board)
    environment = Environment(
        created_at=began.isoformat(),
        machine=base.machine,
        system=base.system,
        packages={**base.packages, **(packages or {})},
    )
    return Results(
        measurements=tuple(made),
        environment=environment,
        protocol={"name": "quick"},
        data={"name": "digits", "sha256": "d1" * 32},
        command="edgecnn benchmark",
    )
