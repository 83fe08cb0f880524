"""Probe every runtime and device of this machine, each in a process of its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import end_workers, run_worker
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes.base import Availability, Runtime

PROBE_TIMEOUT_SECS = 120.0


def diagnose() -> dict[str, Availability]:
    """Availability of every `runtime:device`; a probe that crashes or hangs is one line too."""
    pairs = [(name, device) for name in RUNTIMES.names() for device in RUNTIMES.load(name).devices]
    pool = ThreadPoolExecutor(max_workers=2)
    probes = {f"{name}:{device}": pool.submit(probe, name, device) for name, device in pairs}
    try:
        return {name: future.result() for name, future in probes.items()}
    finally:  # only an interruption leaves anything to do here
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for future in probes.values()):
            end_workers()
            time.sleep(0.02)


def probe(name: str, device: str) -> Availability:
    """Probe one device of one runtime in a fresh process."""
    runtime: type[Runtime] = RUNTIMES.load(name)
    python: Path | None = None
    if runtime.environment is not None:
        python = environments.python_of(runtime.environment)
        if python is None:
            return Availability(
                available=False,
                reason="needs an isolated environment, which does not exist yet",
                hint=f"edgecnn env create {runtime.environment}",
            )
    outcome = run_worker(WorkerJob(name, device), python, timeout=PROBE_TIMEOUT_SECS)
    if outcome.status == "ok":
        return Availability(**outcome.loaded["availability"])
    return Availability(
        available=False, reason=outcome.error or outcome.status, hint=outcome.hint or ""
    )
