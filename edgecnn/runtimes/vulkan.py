"""List Vulkan devices through ctypes, without further packages."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_APPLICATION_INFO, _INSTANCE_CREATE_INFO = 0, 1  # VkStructureType
_API_VERSION_1_1 = (1 << 22) | (1 << 12)
_PROPERTIES_BYTES = 2048  # VkPhysicalDeviceProperties is 824 bytes long
_NAME_OFFSET, _TYPE_OFFSET, _NAME_BYTES = 20, 16, 256
_TYPE_CPU = 4


@dataclass(frozen=True)
class VulkanDevice:
    """A Vulkan device; `software` when a processor plays it."""

    name: str
    software: bool


class _ApplicationInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("version", ctypes.c_uint32),
        ("engine", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api_version", ctypes.c_uint32),
    ]


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(_ApplicationInfo)),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    ]


def devices() -> list[VulkanDevice] | str:
    """Every device, or why there is none."""
    try:
        vulkan = ctypes.CDLL("libvulkan.so.1")
    except OSError:
        return "no Vulkan loader (libvulkan.so.1) on this machine"
    application = _ApplicationInfo(
        _APPLICATION_INFO, None, b"edgecnn", 0, None, 0, _API_VERSION_1_1
    )
    info = _InstanceCreateInfo(
        _INSTANCE_CREATE_INFO, None, 0, ctypes.pointer(application), 0, None, 0, None
    )
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance)):
        return "no Vulkan driver on this machine"
    try:
        gpus = _enumerate(vulkan, instance)
    finally:
        vulkan.vkDestroyInstance(instance, None)
    return gpus or "the Vulkan driver offers no device"


def _enumerate(vulkan: ctypes.CDLL, instance: ctypes.c_void_p) -> list[VulkanDevice]:
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    handles = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles)
    gpus = []
    for handle in handles[: count.value]:
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(handle), properties)
        kind = int.from_bytes(properties.raw[_TYPE_OFFSET : _TYPE_OFFSET + 4], "little")
        name = properties.raw[_NAME_OFFSET : _NAME_OFFSET + _NAME_BYTES].partition(b"\0")[0]
        gpus.append(VulkanDevice(name.decode("utf-8", "replace"), kind == _TYPE_CPU))
    return gpus
