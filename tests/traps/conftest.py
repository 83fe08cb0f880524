"""Each trap plants one way to be misled for real; the measurement must catch it and say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.results import Measurement

BRIEF = Protocol(
    "brief", processes=1, min_secs=0.2, min_runs=64, max_secs=3.0, max_runs=3_000,
    warmup_min_secs=0.0, warmup_max_secs=0.3,
)  # fmt: skip

PASSES = ("response", "synchrony", "memory")

Measure = Callable[..., Measurement]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Measure one file on one configuration; other keyword arguments change the protocol."""

    def measured(
        path: Path,
        configuration: str,
        *,
        data=None,
        threads=1,
        options=None,
        placement=None,
        load=None,
        passes=PASSES,
        **numbers,
    ):
        results = benchmark(
            [path],
            [configuration],
            threads=(threads,),
            options=options,
            placement=placement,
            load=load,
            passes=passes,
            protocol=replace(BRIEF, **numbers),
            data=data,
            out=tmp_path / "results.json",
        )
        (row,) = results.measurements
        return row

    return measured


@pytest.fixture
def misbehave(misbehaving_runtime, model_file: Path, measure: Measure) -> Measure:
    """Measure the plug-in runtime that goes wrong in the way named."""

    def measured(way: str, **more) -> Measurement:
        return measure(model_file, f"misbehaving:{way}", **more)

    return measured
