"""Pinned means pinned: what was asked is held against what the kernel says of every thread."""

from __future__ import annotations

import os

import pytest

from edgecnn.benchmarking.loop import placement
from edgecnn.errors import InputError, UnsupportedError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes"
)


def test_a_core_that_is_not_there_is_refused_with_those_that_are():
    usable = ",".join(str(core) for core in sorted(os.sched_getaffinity(0)))
    with pytest.raises(InputError, match=f"may use cores {usable}"):
        placement.pin((100_000,))


def test_no_cores_change_nothing():
    before = os.sched_getaffinity(0)
    placement.pin(())
    assert os.sched_getaffinity(0) == before


def test_cores_and_threads_are_read_back():
    observed = placement.observe()
    assert observed["cores"] == sorted(os.sched_getaffinity(0))
    assert observed["threads_seen"] >= 1
    assert observed["threads_elsewhere"] == 0


def test_without_such_a_system_call_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(UnsupportedError, match="does not pin"):
        placement.pin((0,))


@pytest.mark.parametrize(
    "observed",
    [
        {"cores": [0, 1], "threads_seen": 1, "threads_elsewhere": 0},
        {"cores": [0], "threads_seen": 3, "threads_elsewhere": 2},
    ],
)
def test_a_process_that_strayed_is_not_measured_as_pinned(observed: dict):
    with pytest.raises(UnsupportedError, match="pinned to cores 0, but"):
        placement.verify((0,), observed)


def test_a_process_in_its_place_passes():
    placement.verify((1, 0), {"cores": [0, 1], "threads_seen": 2, "threads_elsewhere": 0})
    placement.verify((), {"cores": [0, 1, 2], "threads_seen": 2, "threads_elsewhere": 1})
