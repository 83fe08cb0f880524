"""NVIDIA devices, asked of the driver itself: no CUDA toolkit and no library is needed."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from uuid import UUID

_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class CudaDevice:
    """The first NVIDIA device: its name and compute capability, (8, 0) for an A100.

    `uuid` is what NVML knows it by ("GPU-…", "MIG-…" for a part of one), empty where the driver
    does not report it. Its index there is another one: CUDA counts the fastest first, NVML by bus.
    """

    name: str
    capability: tuple[int, int]
    uuid: str = ""


def multiplies_in_tf32() -> bool:
    """Whether the first device has TF32, as NVIDIA's have since Ampere."""
    device = first_device()
    return isinstance(device, CudaDevice) and device.capability >= (8, 0)


def first_device() -> CudaDevice | str:
    """The first device that the driver offers, or why there is none."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda) on this machine"
    if code := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit returned {code})"
    count = ctypes.c_int()
    if driver.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return "the NVIDIA driver offers no device"
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    if driver.cuDeviceGet(ctypes.byref(device), 0):
        return "the NVIDIA driver does not open device 0"
    driver.cuDeviceGetName(name, len(name), device)
    parts = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        part = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(part), attribute, device)
        parts.append(part.value)
    return CudaDevice(
        name.value.decode("utf-8", "replace"), (parts[0], parts[1]), _uuid(driver, device)
    )


def _uuid(driver: ctypes.CDLL, device: ctypes.c_int) -> str:
    """NVML's name of a device. The older call answers with the whole GPU, the newer one with the
    MIG instance that this process may use.
    """
    whole, own = (
        _uuid_bytes(driver, name, device) for name in ("cuDeviceGetUuid", "cuDeviceGetUuid_v2")
    )
    known = own or whole
    if known is None:
        return ""
    kind = "MIG" if whole is not None and known != whole else "GPU"
    return f"{kind}-{UUID(bytes=known)}"


def _uuid_bytes(driver: ctypes.CDLL, function: str, device: ctypes.c_int) -> bytes | None:
    """The 16 bytes that one of the driver's functions answers with, None where it has none."""
    ask = getattr(driver, function, None)
    answer = ctypes.create_string_buffer(16)
    if ask is None or ask(answer, device):
        return None
    return answer.raw
