"""Name the GPU that a configuration uses on this machine."""

from __future__ import annotations

from edgecnn.benchmarking.environments.pythons import python_for
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import WorkerOutcome, run_worker
from edgecnn.benchmarking.machine.doctor import PROBE_TIMEOUT_SECS
from edgecnn.errors import EdgeCNNError
from edgecnn.runtimes import vulkan, without_version

_CHOOSING = ("litert",)
"""Runtimes that take the strongest of all Vulkan devices, and say which one after loading."""


def names_of(runtime: str, device: str) -> frozenset[str]:
    """The name of the GPU that a runtime finds, asked in a process of its own; several where it
    chooses among them, none where it cannot be used here.
    """
    try:
        python = python_for(runtime)
    except EdgeCNNError:  # a plug-in that is gone
        return frozenset()
    if isinstance(python, WorkerOutcome):
        return frozenset()
    plain = without_version(runtime)
    outcome = run_worker(WorkerJob(plain, device), python, timeout=PROBE_TIMEOUT_SECS)
    availability = outcome.loaded.get("availability", {})
    if not availability.get("available") or not availability.get("device_name"):
        return frozenset()
    if plain in _CHOOSING and not isinstance(offered := vulkan.devices(), str):
        return frozenset(each.name for each in offered)
    return frozenset((str(availability["device_name"]),))
