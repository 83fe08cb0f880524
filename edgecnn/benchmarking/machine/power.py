"""Power and energy meters of this machine: RAPL, NVML, a board's own sensors.

Everything is read from files under `observation.ROOT` or through NVML; where nothing reports it,
`find` says why, and nobody guesses. A meter is either a counter of joules, which wraps around,
or a gauge of watts, which is integrated between readings.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.machine import observation
from edgecnn.results.runs import Effective
from edgecnn.runtimes.cuda import CudaDevice, first_device

NVIDIA_DEVICES = ("cuda", "tensorrt")
_RAPL = "sys/class/powercap"
_PACKAGE = re.compile(r"intel-rapl:\d+")
_SENSORS = re.compile(r"ina\d+|amd_energy")
_JETSON_INPUTS = ("VDD_IN", "POM_5V_IN")
"""Rails that feed a whole Jetson; AGX modules have none, and all their rails count."""


class Meter(ABC):
    """Energy of one domain (a package, a rail, a GPU), summed up by `advance`."""

    def __init__(self, method: str, domain: str) -> None:
        self.method = method
        self.domain = domain

    @abstractmethod
    def start(self) -> None:
        """Begin a new sum. Raises OSError when the sensor cannot be read."""

    @abstractmethod
    def advance(self) -> float:
        """Joules since `start`; to be called several times within a counter's range."""


class CounterMeter(Meter):
    """A counter of joules that starts again at zero after `limit`."""

    def __init__(
        self, method: str, domain: str, read: Callable[[], float], limit: float | None
    ) -> None:
        super().__init__(method, domain)
        self._read = read
        self._limit = limit
        self._last = 0.0
        self._total = 0.0

    def start(self) -> None:
        self._last, self._total = self._read(), 0.0

    def advance(self) -> float:
        now = self._read()
        step = now - self._last
        if step < 0 and self._limit:
            step += self._limit
        self._total += max(step, 0.0)
        self._last = now
        return self._total


class GaugeMeter(Meter):
    """A reading of watts, integrated by the trapezoidal rule."""

    def __init__(self, method: str, domain: str, read: Callable[[], float]) -> None:
        super().__init__(method, domain)
        self._read = read
        self._at, self._watts, self._total = 0.0, 0.0, 0.0

    def start(self) -> None:
        self._at, self._watts, self._total = time.monotonic(), self._read(), 0.0

    def advance(self) -> float:
        at, watts = time.monotonic(), self._read()
        self._total += (at - self._at) * (watts + self._watts) / 2
        self._at, self._watts = at, watts
        return self._total


@dataclass(frozen=True)
class Meters:
    """The meters that together cover an inference, or the reason why there are none."""

    meters: tuple[Meter, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Graphics:
    """A GPU of its own, apart from the processor, that an inference runs on."""

    name: str
    nvidia: bool


def graphics(device: str, effective: Effective | None) -> Graphics | None:
    """The GPU that executes; None where all is in the processor's package: on the processor, on
    one that plays a GPU, and on an integrated one that says so.
    """
    name = effective.device_name if effective else ""
    if device in NVIDIA_DEVICES:
        return Graphics(name, nvidia=True)
    if device == "cpu" or (effective is not None and effective.software) or "(iGPU)" in name:
        return None
    return Graphics(name or "the GPU", nvidia=_is_nvidia(name))


def _is_nvidia(name: str) -> bool:
    first = first_device()
    return "nvidia" in name.lower() or (isinstance(first, CudaDevice) and first.name == name)


def find(device: str, effective: Effective | None = None) -> Meters:
    """The meters for a device of a runtime: a board's input, else processor and GPU. `effective`
    says which GPU executes.

    The input of a board holds everything on it, so that nothing is added to it.
    """
    reasons: list[str] = []
    for board in (_jetson(), _ina()):
        meters = _readable(board, reasons)
        if meters:
            return Meters(tuple(meters))
    meters = _readable(_rapl(), reasons) or _readable(_amd_energy(), reasons)
    gpu = graphics(device, effective)
    if gpu is not None:
        own = nvml_meter() if gpu.nvidia else f"no interface reports the energy of {gpu.name}"
        if isinstance(own, str):  # the processor alone is not the energy of an inference
            reasons.append(own)
            meters = []
        else:
            meters.append(own)
    if meters:
        return Meters(tuple(meters))
    return Meters(reason="; ".join(reasons) or "no RAPL, no INA sensor and no NVML on this machine")


def _readable(meters: Iterator[Meter], reasons: list[str]) -> list[Meter]:
    readable = []
    for meter in meters:
        try:
            meter.start()
        except PermissionError:
            reasons.append(f"{meter.method} {meter.domain} may be read by root alone")
        except (OSError, ValueError) as error:
            reasons.append(f"{meter.method} {meter.domain} cannot be read: {error}")
        else:
            readable.append(meter)
    return readable


def _rapl() -> Iterator[Meter]:
    """Packages with their DRAM, as the powercap driver (Intel, and AMD since Zen) reports them."""
    for package in sorted((observation.ROOT / _RAPL).glob("intel-rapl:*")):
        if not _PACKAGE.fullmatch(package.name) or not _text(package / "name").startswith(
            "package"
        ):
            continue  # subdomains are part of a package, psys is the package and more
        yield _rapl_meter(package, _text(package / "name"))
        for part in sorted(package.glob(f"{package.name}:*")):
            if _text(part / "name") == "dram":
                yield _rapl_meter(part, f"{_text(package / 'name')} dram")


def _rapl_meter(folder: Path, domain: str) -> Meter:
    limit = _text(folder / "max_energy_range_uj")
    return CounterMeter(
        "RAPL", domain, _number(folder / "energy_uj", 1e-6), float(limit) / 1e6 if limit else None
    )


def _amd_energy() -> Iterator[Meter]:
    """Sockets of the amd_energy driver, on kernels without RAPL for AMD."""
    for folder in _hwmon("amd_energy"):
        for label in sorted(folder.glob("energy*_label")):
            if _text(label).startswith("Esocket"):
                value = label.with_name(label.name.replace("_label", "_input"))
                yield CounterMeter("amd_energy", _text(label), _number(value, 1e-6), None)


def _jetson() -> Iterator[Meter]:
    """The rails of a Jetson's INA3221: its input where it has one, else all rails."""
    rails: dict[str, Callable[[], float]] = {}
    for name in sorted(
        observation.ROOT.glob("sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*")
    ):
        power = name.with_name(name.name.replace("rail_name_", "in_power") + "_input")
        rails[_text(name)] = _number(power, 1e-3)
    for folder in _hwmon("ina3221"):
        for label in sorted(folder.glob("in*_label")):
            number = label.name.removeprefix("in").removesuffix("_label")
            if number not in ("1", "2", "3") or _text(label) == "NC":
                continue  # in4 to in7 are shunt voltages and their sum
            volts = _number(folder / f"in{number}_input", 1e-3)
            amperes = _number(folder / f"curr{number}_input", 1e-3)
            rails[_text(label)] = _product(volts, amperes)
    whole = [name for name in _JETSON_INPUTS if name in rails]
    for rail in whole[:1] or rails:
        yield GaugeMeter("INA3221", rail, rails[rail])


def _ina() -> Iterator[Meter]:
    """A power monitor on the board's supply (INA219, INA226, INA260 …)."""
    for folder in _hwmon("ina"):
        for value in sorted(folder.glob("power*_input")):
            label = _text(value.with_name(value.name.replace("_input", "_label")))
            yield GaugeMeter(
                _text(folder / "name").upper(), label or value.name, _number(value, 1e-6)
            )


def _hwmon(driver: str) -> Iterator[Path]:
    for folder in sorted(observation.ROOT.glob("sys/class/hwmon/hwmon*")):
        name = _text(folder / "name")
        if name.startswith(driver) and _SENSORS.fullmatch(name):
            yield folder


def nvml_meter() -> Meter | str:
    """CUDA's first device, or why there is none: a counter since Volta, else watts."""
    opened = open_nvml()
    if isinstance(opened, str):
        return opened
    nvml, handle = opened
    name = str(nvml.nvmlDeviceGetName(handle))
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        pass
    else:
        return CounterMeter(
            "NVML energy counter",
            name,
            lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3,
            None,
        )
    try:
        nvml.nvmlDeviceGetPowerUsage(handle)
    except nvml.NVMLError as error:
        return f"{name} reports neither energy nor power: {error}"
    return GaugeMeter("NVML power", name, lambda: float(nvml.nvmlDeviceGetPowerUsage(handle)) / 1e3)


def open_nvml() -> tuple[Any, Any] | str:
    """(the pynvml module, the handle of CUDA's first device), or why there is none.

    The driver names the device: an index of NVML may be another GPU (see `cuda.CudaDevice`).
    """
    if importlib.util.find_spec("pynvml") is None:
        return "NVML is not available: pip install nvidia-ml-py"
    nvml = importlib.import_module("pynvml")
    first = first_device()
    if isinstance(first, str):
        return f"no NVIDIA GPU is visible to this process: {first}"
    if not first.uuid:
        return f"the NVIDIA driver does not say which of NVML's GPUs {first.name} is"
    try:
        nvml.nvmlInit()
        return nvml, nvml.nvmlDeviceGetHandleByUUID(first.uuid)
    except nvml.NVMLError as error:
        return f"NVML does not find {first.name} ({first.uuid}): {error}"


def gpu_memory_bytes(device: str) -> int | str:
    """Memory of the GPU that this process holds on a device of a runtime, or why it is unknown."""
    opened = open_nvml()
    if isinstance(opened, str):
        return opened
    nvml, handle = opened
    try:
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError as error:
        return f"NVML does not report the memory of processes: {error}"
    own = [entry for entry in processes if entry.pid == os.getpid()]
    # In a container NVML counts processes of the host, whose numbers are others. A single one is
    # this process only where it computes with CUDA: one that draws (Vulkan) is not on the list.
    alone = device in NVIDIA_DEVICES and len(processes) == 1
    entries = own or (processes if alone else [])
    if not entries:
        return "NVML does not see this process on the GPU"
    if entries[0].usedGpuMemory is None:
        return "NVML reports no memory for this process (MIG, or no permission)"
    return int(entries[0].usedGpuMemory)


def _number(path: Path, scale: float) -> Callable[[], float]:
    return lambda: float(path.read_text(encoding="ascii")) * scale


def _product(first: Callable[[], float], second: Callable[[], float]) -> Callable[[], float]:
    return lambda: first() * second()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
