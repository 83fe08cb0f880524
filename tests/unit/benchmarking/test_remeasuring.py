"""What a row measured again keeps of the row that it stands for."""

from __future__ import annotations

import pytest

from edgecnn.benchmarking.remeasuring import RemeasuredPair, judged
from tests.unit.reporting import factory


@pytest.mark.parametrize("again", ["VALID", "NOISY"])
def test_noise_does_not_take_back_what_data_showed(again: str):
    seen = factory.measurement(verdict="INVALID", reasons=("outputs contain NaN on real images",))
    row = judged(seen, RemeasuredPair(None, factory.measurement(verdict=again, reasons=())))
    assert row.verdict == "INVALID"
    assert row.reasons == ("outputs contain NaN on real images",)
    assert row.accuracy == seen.accuracy


def test_a_row_that_was_good_has_the_new_verdict():
    row = judged(factory.measurement(), RemeasuredPair(None, factory.measurement(verdict="NOISY")))
    assert row.verdict == "NOISY"
