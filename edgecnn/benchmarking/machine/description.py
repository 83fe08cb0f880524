"""The machine and the software a benchmark ran on: what must match before numbers are compared."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from edgecnn.benchmarking.loop import own_environment
from edgecnn.benchmarking.machine import observation, quota
from edgecnn.results import Environment

Answer = TypeVar("Answer")

PACKAGES = (
    "edgecnn",
    "ai-edge-litert",
    "keras",
    "litert-quantizer",
    "mnn",
    "ncnn",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python",
    "opencv-python-headless",
    "openvino",
    "tensorflow",
    "tf2onnx",
)
GPU_PACKAGES = tuple(
    f"{library}{cuda}"
    for library in (
        "nvidia-cublas",
        "nvidia-cuda-nvrtc",
        "nvidia-cuda-runtime",
        "nvidia-cudnn",
        "nvidia-cufft",
        "nvidia-curand",
        "tensorrt",
    )
    for cuda in ("", "-cu12", "-cu13")
)
"""What computes on an NVIDIA GPU; the names end in the CUDA that they are built for."""
# What decides the speed of a convolution on x86 and ARM.
INSTRUCTION_SETS = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimdhp", "asimddp", "i8mm", "bf16",
    "sve", "sve2",
)  # fmt: skip


def capture() -> Environment:
    """Describe this machine as it is now."""
    return Environment(
        created_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        machine=_machine(),
        system=_system(),
        packages=_packages(),
    )


def gpus() -> list[dict[str, str]]:
    """NVIDIA GPUs with their driver, as nvidia-smi lists them; empty without a driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        completed = subprocess.run(query, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if completed.returncode != 0:
        return []
    rows = [
        line.split(", ")
        for line in completed.stdout.decode(errors="replace").splitlines()
        if line.count(", ") == 2
    ]
    return [{"name": name, "driver": driver, "memory": memory} for name, driver, memory in rows]


def _machine() -> dict[str, Any]:
    import psutil

    processor = own_environment.processor()
    flags = set(processor.pop("flags"))
    return {
        "board": _board(),
        **processor,
        "architecture": platform.machine(),
        "physical_cores": _answer_or_none(lambda: psutil.cpu_count(logical=False)),
        "logical_cores": _answer_or_none(lambda: psutil.cpu_count(logical=True)) or os.cpu_count(),
        "usable_cores": observation.usable_cpus(),
        "cpu_quota": quota.processors(observation.ROOT),
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "memory_bytes": _memory_bytes(),
        "governor": observation.governor(),
        "virtual": "hypervisor" in flags,
        "gpus": gpus(),
        "load_average": [round(load, 2) for load in _answer_or_none(os.getloadavg) or ()],
    }


def _memory_bytes() -> int | None:
    """The machine's memory, also where /proc/meminfo is hidden; None where nothing says it."""
    import psutil

    memory = _answer_or_none(psutil.virtual_memory)
    if memory is not None:
        return int(memory.total)
    pages = _answer_or_none(lambda: os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return pages if pages and pages > 0 else None


def _answer_or_none(ask: Callable[[], Answer]) -> Answer | None:
    """What the system answers; None where it hides the files that it would read for it.

    psutil fails with whatever the missing file leads to.
    """
    try:
        return ask()
    except (OSError, ValueError, KeyError, RuntimeError):
        return None


def _board() -> str | None:
    """The board by name: a Raspberry Pi or a Jetson has it in the device tree, a PC in DMI."""
    tree = own_environment.read("proc/device-tree/model")
    if tree:
        return tree.rstrip("\0")
    vendor, product = (
        own_environment.read(f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")
    )
    return " ".join(part for part in (vendor, product) if part) or None


def _system() -> dict[str, str]:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = platform.system()
    return {
        "os": name,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libc": " ".join(_answer_or_none(platform.libc_ver) or ()),
        "implementation": sys.implementation.name,
    }


def _packages() -> dict[str, str]:
    versions = {name: own_environment.version(name) for name in (*PACKAGES, *GPU_PACKAGES)}
    return {name: version for name, version in versions.items() if version}
