from __future__ import annotations

from edgecnn.vision.pipeline.timing import Timing


def test_a_percentile_that_the_samples_cannot_bear_is_not_named():
    timing = Timing()
    for _ in range(20):
        timing.add("infer", 2_000_000)
    stage = timing.stages()["infer"]
    assert (stage.p50_ms, stage.p95_ms) == (2.0, None)
    for _ in range(200):
        timing.add("infer", 2_000_000)
    assert timing.stages()["infer"].p95_ms == 2.0


def test_the_rate_counts_the_last_two_seconds():
    timing = Timing()
    for tick in range(100):
        timing.finished(tick * 50_000_000)
    assert round(timing.fps(99 * 50_000_000)) == 20
    assert timing.fps(99 * 50_000_000 + 10**10) == 0.0
