"""The machine's own limits, measured once and remembered: arithmetic rates and bandwidth.

For each thread count a fresh process (`kernels`) multiplies matrices with whatever is
installed; the fastest counts. What is found lies in a file next to the isolated environments,
under a name made of the processor and the versions of the libraries.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.machine import description as machine
from edgecnn.errors import EdgeCNNError
from edgecnn.files import write_text_atomically
from edgecnn.progress import Progress, silent
from edgecnn.results import Environment
from edgecnn.system.places import data_home

TIMEOUT_SECS = 120.0
_VERSION = 1
"""Goes up when the kernels change, so that old files are measured again."""
OTHER_CPUS = 0.25
"""Processors that others may keep busy before a limit is not one."""
_LIBRARIES = ("numpy", "onnxruntime", "onnxruntime-gpu", "openvino")


class LimitsError(EdgeCNNError):
    """The kernels did not run to the end."""

    exit_code = 3


def known(threads: Iterable[int]) -> dict[str, Any] | None:
    """What is remembered for these thread counts, None when it is not all of them."""
    remembered = _read()
    wanted = {str(count) for count in threads}
    if not wanted <= remembered.keys():
        return None
    return {"threads": {count: remembered[count] for count in sorted(wanted, key=int)}}


def measured(
    threads: Iterable[int], *, again: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """The limits for these thread counts, measured where they are not remembered (or `again`).

    {"threads": {"1": {"float32_gflops", "bfloat16_gflops", "int8_gops", "bandwidth_gb_s",
    "methods", "other_cpus"}}}; None stands where nothing installed computes in that precision.
    Takes about five seconds a thread count. What was measured during other work (`other_cpus`
    of them busy) is too low: it is returned, and not remembered. Raises LimitsError.
    """
    wanted = sorted(set(threads))
    remembered = dict(_read())
    missing = [count for count in wanted if again or str(count) not in remembered]
    limits = {}
    for index, count in enumerate(missing):
        plural = "thread" if count == 1 else "threads"
        progress("limits", index, len(missing), f"of this machine with {count} {plural}, once")
        limits[str(count)] = _run(count)
    if missing:
        progress("limits", len(missing), len(missing))
    if any(_is_quiet(values) for values in limits.values()):
        quiet = {count: values for count, values in limits.items() if _is_quiet(values)}
        document = {"machine": _identity(), "threads": {**remembered, **quiet}}
        write_text_atomically(_file(), json.dumps(document, indent=2) + "\n")
    remembered |= limits
    return {"threads": {str(count): remembered[str(count)] for count in wanted}}


def add_to(
    environment: Environment,
    threads: Iterable[int],
    *,
    measure: bool,
    progress: Progress = silent,
) -> Environment:
    """The environment with `machine["limits"]`: remembered, or measured if wanted.

    Limits that cannot be measured are an `error` there: rows are worth as much without.
    """
    threads = set(threads)
    if not threads:
        return environment
    limits: Mapping[str, Any] | None
    try:
        limits = measured(threads, progress=progress) if measure else known(threads)
    except EdgeCNNError as error:
        limits = {"error": error.message}
    if limits is None:
        return environment
    return replace(environment, machine={**environment.machine, "limits": limits})


def _is_quiet(values: Mapping[str, Any]) -> bool:
    return bool((values.get("other_cpus") or 0.0) <= OTHER_CPUS)


def _run(threads: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-P",
        "-m",
        "edgecnn.benchmarking.machine.limit_kernels",
        str(threads),
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        # A checkout that is not installed must be found, whatever folder this runs in.
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        ).rstrip(os.pathsep),
    }
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECS,
            check=True,
            env=environment,
        )
        limits: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        raise LimitsError(
            f"the machine's limits could not be measured: {error}",
            hint="rows then have no share of the limit; everything else works",
        ) from error
    return limits


def _read() -> Mapping[str, Any]:
    try:
        document = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    threads = document.get("threads") if isinstance(document, dict) else None
    return threads if isinstance(threads, dict) else {}


def _file() -> Path:
    name = hashlib.sha256(json.dumps(_identity(), sort_keys=True).encode()).hexdigest()[:16]
    return data_home() / "limits" / f"{name}.json"


def _identity() -> dict[str, Any]:
    """What the limits depend on."""
    environment = machine.capture()
    kept = ("board", "cpu_model", "architecture", "usable_cores", "instruction_sets", "governor")
    packages = environment.packages
    return {
        "version": _VERSION,
        **{name: environment.machine.get(name) for name in kept},
        "packages": {name: packages[name] for name in _LIBRARIES if name in packages},
    }
