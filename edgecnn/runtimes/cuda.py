"""NVIDIA devices, asked of the driver itself: no CUDA toolkit and no library is needed."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute


@dataclass(frozen=True)
class CudaDevice:
    """The first NVIDIA device: its name and compute capability, (8, 0) for an A100."""

    name: str
    capability: tuple[int, int]


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
    return CudaDevice(name.value.decode("utf-8", "replace"), (parts[0], parts[1]))
