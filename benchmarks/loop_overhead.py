"""What the timed loop adds to an inference: the loop of every benchmark over an empty invocation.

python benchmarks/loop_overhead.py [--quick]   →   benchmarks/results/loop_overhead.json

Between the two clock readings lie an empty call and the cost of reading the clock: that is what
a sample holds besides the inference. Everything else the loop does (picking the next bound input,
storing, judging) happens outside of the clock and is reported as `per_iteration_ns`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
from networks import RESULTS

from edgecnn.benchmarking.loop import timed_loop
from edgecnn.benchmarking.machine import description as machine
from edgecnn.benchmarking.protocol import PROFILES

LIMIT_NS = 1_000
POOL = 32
REPETITIONS = 9


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 repetitions instead of 9")
    repetitions = 3 if parser.parse_args().quick else REPETITIONS
    rows = [_repetition() for _ in range(repetitions)]
    inside = [row["inside_the_clock_ns"]["p50"] for row in rows]
    report: dict[str, Any] = {
        "what": "nanoseconds that the timed loop adds to one inference",
        "limit_ns": LIMIT_NS,
        "inside_the_clock_p50_ns": float(np.median(inside)),
        "within_limit": max(inside) <= LIMIT_NS,
        "clock_resolution_ns": time.get_clock_info("perf_counter").resolution * 1e9,
        "repetitions": rows,
        "environment": machine.capture().__dict__,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "loop_overhead.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{report['inside_the_clock_p50_ns']:.0f} ns inside the clock (limit {LIMIT_NS}); {path}")


def _repetition() -> dict[str, Any]:
    def empty() -> None:
        return None

    invocations = [empty] * POOL
    protocol = replace(PROFILES["default"], max_runs=200_000, min_runs=200_000, max_secs=5.0)
    timed_loop.warm_up(invocations, protocol)
    start = time.perf_counter_ns()
    samples = timed_loop.measure(invocations, protocol).samples
    elapsed = time.perf_counter_ns() - start
    return {
        "samples": int(samples.size),
        "inside_the_clock_ns": {
            "p50": float(np.median(samples)),
            "p99": float(np.quantile(samples, 0.99)),
            "p999": float(np.quantile(samples, 0.999)),
        },
        "per_iteration_ns": round(elapsed / samples.size, 1),
    }


if __name__ == "__main__":
    main()
