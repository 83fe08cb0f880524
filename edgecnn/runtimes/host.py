"""What the host says about itself: the processor's name and how many threads a call started."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path


@cache
def cpu_name() -> str:
    """The processor's marketing name; the board or architecture where there is none (ARM)."""
    fields = _cpuinfo()
    for key in ("model name", "Model", "Hardware"):
        if fields.get(key):
            return fields[key]
    return platform.processor() or platform.machine()


@cache
def adds_int8_in_16_bits() -> bool:
    """Whether sums of int8 products may overflow here: on x86 without VNNI (Intel before Ice Lake,
    AMD before Zen 4) the fast kernels add pairs of products in 16 bits, which hold 32,767 where
    two products can reach 64,770. See oneDNN, "Nuances of int8 computations".

    False where the system does not say what its processor can.
    """
    flags = _cpuinfo().get("flags", "").split()
    return "avx2" in flags and not any("vnni" in flag for flag in flags)


@cache
def _cpuinfo() -> dict[str, str]:
    """The first processor's fields; empty where /proc does not have them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def thread_count() -> int | None:
    """Operating-system threads of this process, None where /proc does not report them."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError:
        return None
