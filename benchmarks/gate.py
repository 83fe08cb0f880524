"""How often the gate fails without a reason, and how often it finds a 3% slowdown.

    python benchmarks/coverage.py record --minutes 45
    python benchmarks/gate.py

Judges the sessions that coverage.py recorded with the functions that `edgecnn results gate` uses:

- stored: each session against the others as its baseline, as it is (a failure is a false alarm)
  and with its samples made 3% slower (a failure is right)
- `beside`: two copies of one file that were measured in the same rounds, the same two ways
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from edgecnn.analysis.gate import GateBaseline, regression_gate  # noqa: E402
from edgecnn.results import Measurement, Results  # noqa: E402

KEPT = HERE.parent / "runs" / "benchmarks" / "coverage"
REPORT = HERE / "results" / "gate.json"
PLANTED = 1.03
COPIES = ("lenet5_a", "lenet5_b")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, default=KEPT)
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    sessions = [Results.load(path) for path in sorted(options.recorded.glob("*.json"))]
    sessions.sort(key=lambda session: session.environment.created_at)
    found = {
        "machine": sessions[0].environment.machine.get("cpu_model"),
        "sessions": len(sessions),
        "stored": stored(sessions),
        "beside": beside(sessions),
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def stored(sessions: Sequence[Results]) -> Mapping[str, Any]:
    """Each session against the others with the same rows."""
    rows: dict[tuple[str, ...], list[tuple[int, Measurement]]] = defaultdict(list)
    for number, session in enumerate(sessions):
        for row in session.measurements:
            if row.status == "ok" and row.verdict != "INVALID":
                rows[(str(session.protocol.get("name")), *row.key)].append((number, row))
    counts: dict[str, int] = defaultdict(int)
    detectable = []
    for number in range(len(sessions)):
        pairs = []
        for history in rows.values():
            own = [row for at, row in history if at == number]
            others = tuple(row for at, row in history if at != number)
            pairs += [(row, GateBaseline(others)) for row in own if others]
        if not pairs:
            continue
        gate = regression_gate(pairs, "main")
        counts["gates"] += 1
        counts["gates that fail"] += gate.failed
        for judged, (row, base) in zip(gate.rows, pairs, strict=True):
            if judged.effect is None or judged.detectable is None:
                counts["rows that decide nothing"] += 1
                continue
            counts["rows"] += 1
            counts["rows called slower"] += judged.outcome == "slower"
            detectable.append(judged.detectable)
            slower = regression_gate([(slowed(row), base)], "main")
            counts["3% slower, called slower"] += slower.failed
    return {**counts, "median detectable": round(median(detectable), 4) if detectable else None}


def beside(sessions: Sequence[Results]) -> Mapping[str, Any]:
    """Two copies of one file, measured in the same rounds."""
    counts: dict[str, int] = defaultdict(int)
    for session in sessions:
        rows = {row.artifact.name.partition(".")[0]: row for row in session.measurements}
        if not set(COPIES) <= set(rows):
            continue
        for first, second in (COPIES, COPIES[::-1]):
            old, new = rows[first], rows[second]
            base = GateBaseline((old,), remeasured=old)
            counts["pairs"] += 1
            counts["called slower"] += regression_gate([(new, base)], "main").failed
            counts["3% slower, called slower"] += regression_gate(
                [(slowed(new), base)], "main"
            ).failed
    return counts


def slowed(row: Measurement) -> Measurement:
    """The row with all its samples 3% slower."""
    runs = tuple(
        replace(run, samples_ns=tuple(round(time * PLANTED) for time in run.samples_ns))
        for run in row.runs
    )
    return replace(row, runs=runs)


if __name__ == "__main__":
    main()
