"""The share of the machine's limit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.results import (
    ArtifactRecord,
    Effective,
    Environment,
    Load,
    Measurement,
    Results,
    Run,
)
from edgecnn.roofline import Limit, limit_of, locate

LIMITS = {
    "threads": {
        "1": {"float32_gflops": 100.0, "bfloat16_gflops": 200.0, "int8_gops": 400.0,
              "bandwidth_gb_s": 20.0},
        "2": {"float32_gflops": 190.0, "bfloat16_gflops": None, "int8_gops": 800.0,
              "bandwidth_gb_s": 30.0},
    }
}  # fmt: skip


def test_few_operations_for_each_byte_are_bound_by_memory():
    found = locate(macs=1e6, bytes_moved=2e6, batch=1, seconds=1e-3, limit=Limit(100e9, 20e9))
    assert found is not None
    assert found.bound == "memory"
    assert found.intensity == 1.0
    assert found.roof_operations_per_s == 20e9
    assert found.operations_per_s == 2e9
    assert found.share == pytest.approx(0.1)


def test_many_operations_for_each_byte_are_bound_by_arithmetic():
    found = locate(macs=1e9, bytes_moved=1e6, batch=1, seconds=0.04, limit=Limit(100e9, 20e9))
    assert found is not None
    assert (found.bound, found.roof_operations_per_s) == ("compute", 100e9)
    assert found.share == pytest.approx(0.5)


def test_a_batch_does_its_operations_once_for_each_sample():
    one = locate(macs=1e6, bytes_moved=1e5, batch=1, seconds=1e-3, limit=Limit(1e11, 1e11))
    four = locate(macs=1e6, bytes_moved=4e5, batch=4, seconds=4e-3, limit=Limit(1e11, 1e11))
    assert one == four


@given(
    macs=st.floats(1, 1e12), moved=st.floats(1, 1e12), seconds=st.floats(1e-6, 1e3),
    peak=st.floats(1e6, 1e15), width=st.floats(1e6, 1e15),
)  # fmt: skip
@settings(deadline=None)
def test_the_roof_is_never_above_either_limit(
    macs: float, moved: float, seconds: float, peak: float, width: float
):
    found = locate(macs=macs, bytes_moved=moved, batch=1, seconds=seconds, limit=Limit(peak, width))
    assert found is not None
    assert found.roof_operations_per_s <= peak
    assert found.roof_operations_per_s <= found.intensity * width
    assert found.share > 0


@pytest.mark.parametrize(
    ("threads", "precision", "operations"),
    [(1, "float32", 100e9), (1, "bfloat16", 200e9), (2, "int8", 800e9), (2, "dynamic_int8", 800e9)],
)
def test_the_limit_is_that_of_the_threads_and_the_precision(
    threads: int, precision: str, operations: float
):
    limit = limit_of(LIMITS, threads, precision)
    assert limit is not None
    assert limit.operations_per_s == operations


@pytest.mark.parametrize(
    ("limits", "threads", "precision"),
    [
        (LIMITS, 4, "float32"),
        (LIMITS, 2, "bfloat16"),
        (LIMITS, 1, "float16"),
        (None, 1, "float32"),
        ({"error": "no"}, 1, "float32"),
        ({"threads": {"1": {"float32_gflops": "fast", "bandwidth_gb_s": 1}}}, 1, "float32"),
        ({"threads": {"1": {"float32_gflops": 1, "bandwidth_gb_s": float("inf")}}}, 1, "float32"),
    ],
)
def test_a_limit_that_was_not_measured_is_none(limits: object, threads: int, precision: str):
    assert limit_of(limits, threads, precision) is None


def row(device: str = "cpu", scenario: str = "single_stream", cost: object = None) -> Measurement:
    cost = cost or {"macs": 10**6, "bytes_moved": 2 * 10**6, "parameters": 5}
    run = Run(1, 1, (), (1_000_000,) * 100, {}, Effective("P", "float32", "D"),
              passes={"cost": cost})  # fmt: skip
    record = ArtifactRecord("m.onnx", "onnx", "float32", "ab", 1)
    return Measurement(record, "onnxruntime", device, runs=(run,), load=Load(scenario))


def test_results_carry_cost_and_share_and_read_them_back():
    results = Results((row(),), Environment(machine={"limits": LIMITS}))
    written = json.loads(json.dumps(results.to_dict()))
    (entry,) = written["measurements"]
    assert entry["cost"]["macs"] == 10**6
    assert entry["roofline"]["bound"] == "memory"
    assert entry["roofline"]["share"] == pytest.approx(0.1)
    assert json.loads(json.dumps(Results.from_dict(written).to_dict())) == written


@pytest.mark.parametrize(
    "measurement",
    [
        row("gpu"),
        row(scenario="offline"),
        row(cost={"error": "the cost of LSTM is not known", "hint": None}),
        row(cost={"macs": "many", "bytes_moved": 1}),
    ],
)
def test_rows_that_cannot_be_placed_have_no_share(measurement: Measurement):
    assert measurement.roofline(LIMITS) is None
    results = Results((measurement,), Environment(machine={"limits": LIMITS}))
    assert results.to_dict()["measurements"][0]["roofline"] is None
