"""What a queue makes of queries: pure arithmetic over arrival and service times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.benchmarking.loop.queueing import QUANTILE, arrivals, attempts, highest_rate, replay

MS = 1_000_000

times = st.lists(st.integers(0, 10 * MS), min_size=1, max_size=60)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others():
    assert (arrivals(100.0, 50, 1) == arrivals(100.0, 50, 1)).all()
    assert (arrivals(100.0, 50, 1) != arrivals(100.0, 50, 2)).any()


def test_arrivals_are_poisson_at_the_rate():
    gaps = np.diff(arrivals(200.0, 20_000, 0)) / 1e9
    assert gaps.mean() == pytest.approx(1 / 200, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)  # exponential: both are equal


@given(times, times)
def test_a_single_stream_follows_lindley(gaps: list[int], services: list[int]):
    count = min(len(gaps), len(services))
    arriving = np.cumsum(gaps[:count]).astype(np.int64)
    service = np.asarray(services[:count], np.int64)
    latencies = replay(arriving, service, 1)
    waiting = 0
    for index in range(count):
        if index:
            gap = arriving[index] - arriving[index - 1]
            waiting = max(0, waiting + service[index - 1] - gap)
        assert latencies[index] == waiting + service[index]


@given(times, times)
def test_more_streams_never_answer_later(gaps: list[int], services: list[int]):
    count = min(len(gaps), len(services))
    arriving = np.cumsum(gaps[:count]).astype(np.int64)
    service = np.asarray(services[:count], np.int64)
    one, two = replay(arriving, service, 1), replay(arriving, service, 2)
    assert (two <= one).all()
    assert (two >= service).all()


def test_with_a_stream_for_each_query_nobody_waits():
    services = np.asarray([5, 7, 9], np.int64)
    assert (replay(np.zeros(3, np.int64), services, 3) == services).all()


def test_the_highest_rate_is_the_last_that_keeps_the_bound():
    services = np.full(100, 10 * MS)
    rate = highest_rate(services, 30 * MS, 1)
    drawn = np.full(4_000, 10 * MS)

    def tail(offered: float) -> float:
        return float(np.quantile(replay(arrivals(offered, 4_000, 0), drawn, 1), QUANTILE))

    assert 0 < rate < 100  # 100 a second would keep one stream busy without a pause
    assert tail(rate) <= 30 * MS < tail(rate * 1.01)


def test_a_wider_bound_and_more_streams_bear_more():
    services = np.full(100, 10 * MS)
    rate = highest_rate(services, 30 * MS, 1)
    assert highest_rate(services, 60 * MS, 1) > rate
    assert highest_rate(services, 30 * MS, 2) > 1.5 * rate


def test_inferences_above_the_bound_bear_no_rate_at_all():
    assert highest_rate(np.full(100, 10 * MS), 9 * MS, 4) == 0.0


def test_attempts_begin_above_the_prediction_and_fall():
    rates = attempts(100.0, 0.05, 6)
    assert rates[0] == pytest.approx(105.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
