"""Host facts: the processor's name, and how many threads a call started."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_X86 = ("x86_64", "amd64", "i386", "i686", "x86")


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

    Where the system does not list what its processor can (Windows, macOS, a hidden /proc), numpy
    is asked, which knows no AVX-VNNI; what stays unknown counts as such a processor, since taking
    care costs time alone.
    """
    flags = _cpuinfo().get("flags", "").split()
    if flags:
        return "avx2" in flags and not any("vnni" in flag for flag in flags)
    known = _numpy_features()
    is_x86 = platform.machine().lower() in _X86
    return is_x86 and known.get("AVX2", True) and not known.get("AVX512VNNI", False)


def _numpy_features() -> Mapping[str, bool]:
    """What numpy found out about the processor when it was loaded; empty where it has moved."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            features = importlib.import_module(module).__cpu_features__
        except (ImportError, AttributeError):
            continue
        return {str(name): bool(has) for name, has in features.items()}
    return {}


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
