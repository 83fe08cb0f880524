"""Where energy is reported: sensors planted as files, and stand-ins for NVML and NVIDIA's driver.

No machine that runs these tests is known to have every sensor; NVML's module and the driver's
library are replaced by ones that answer as NVIDIA documents them.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.benchmarking.machine import observation, power
from edgecnn.benchmarking.machine.power import CounterMeter, GaugeMeter
from edgecnn.results.runs import Effective
from edgecnn.runtimes import cuda
from edgecnn.runtimes.cuda import CudaDevice


def plant(root: Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n", encoding="ascii")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(observation, "ROOT", tmp_path)
    return tmp_path


RAPL = "sys/class/powercap/intel-rapl:0"


def rapl(microjoules: int = 1_000_000) -> dict[str, object]:
    return {
        f"{RAPL}/name": "package-0",
        f"{RAPL}/energy_uj": microjoules,
        f"{RAPL}/max_energy_range_uj": 65_532_610_987,
        f"{RAPL}/intel-rapl:0:0/name": "core",
        f"{RAPL}/intel-rapl:0:0/energy_uj": 400_000,
        f"{RAPL}/intel-rapl:0:1/name": "dram",
        f"{RAPL}/intel-rapl:0:1/energy_uj": 300_000,
        f"{RAPL}/intel-rapl:0:1/max_energy_range_uj": 65_532_610_987,
        "sys/class/powercap/intel-rapl:1/name": "psys",
        "sys/class/powercap/intel-rapl:1/energy_uj": 9_000_000,
    }


def test_a_machine_that_tells_nothing_says_so(root: Path):
    found = power.find("cpu")
    assert not found.meters
    assert "no RAPL" in found.reason


def test_rapl_counts_packages_and_their_memory_but_no_part_twice(root: Path):
    plant(root, rapl())
    found = power.find("cpu")
    assert [(m.method, m.domain) for m in found.meters] == [
        ("RAPL", "package-0"),
        ("RAPL", "package-0 dram"),
    ]
    plant(root, {f"{RAPL}/energy_uj": 3_500_000})
    assert found.meters[0].advance() == pytest.approx(2.5)


def test_a_counter_that_wraps_around_goes_on(root: Path):
    plant(root, rapl(65_532_000_000))
    (package, _) = power.find("cpu").meters
    plant(root, {f"{RAPL}/energy_uj": 1_000_000})
    assert package.advance() == pytest.approx(1.610987)


@settings(deadline=None)
@given(steps=st.lists(st.floats(0, 99), max_size=30), limit=st.floats(100, 200))
def test_a_counter_sums_whatever_its_range(steps: list[float], limit: float):
    total = 0.0
    meter = CounterMeter("m", "d", lambda: total % limit, limit)
    meter.start()
    for step in steps:
        total += step
        meter.advance()
    assert meter.advance() == pytest.approx(total, abs=1e-6)


def test_a_counter_that_only_root_may_read_is_the_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    plant(root, rapl())

    def refuse(self: Path, *args: object, **kwargs: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return original(self, *args, **kwargs)

    original = Path.read_text
    monkeypatch.setattr(Path, "read_text", refuse)
    found = power.find("cpu")
    assert not found.meters
    assert "RAPL package-0 may be read by root alone" in found.reason


def test_amd_sockets_count_where_rapl_is_missing(root: Path):
    hwmon = "sys/class/hwmon/hwmon2"
    plant(root, {f"{hwmon}/name": "amd_energy",
                 f"{hwmon}/energy1_label": "Ecore000", f"{hwmon}/energy1_input": 5,
                 f"{hwmon}/energy17_label": "Esocket0", f"{hwmon}/energy17_input": 7})  # fmt: skip
    (meter,) = power.find("cpu").meters
    assert (meter.method, meter.domain) == ("amd_energy", "Esocket0")


def jetson_hwmon(labels: tuple[str, ...]) -> dict[str, object]:
    files: dict[str, object] = {"sys/class/hwmon/hwmon3/name": "ina3221"}
    for number, label in enumerate(labels, 1):
        files |= {
            f"sys/class/hwmon/hwmon3/in{number}_label": label,
            f"sys/class/hwmon/hwmon3/in{number}_input": 5_000,
            f"sys/class/hwmon/hwmon3/curr{number}_input": 1_000 * number,
        }
    return files


def test_a_jetsons_input_holds_the_whole_board_and_nothing_is_added(root: Path):
    plant(root, jetson_hwmon(("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")) | rapl())
    (meter,) = power.find("cpu").meters
    assert (meter.method, meter.domain) == ("INA3221", "VDD_IN")


def test_a_jetson_without_an_input_rail_has_all_its_rails_summed(root: Path):
    plant(root, jetson_hwmon(("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")))
    assert len(power.find("cpu").meters) == 3


def test_older_jetsons_tell_milliwatts_through_iio(root: Path):
    device = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    plant(root, {f"{device}/rail_name_0": "POM_5V_IN", f"{device}/in_power0_input": 3_200})
    (meter,) = power.find("cpu").meters
    assert isinstance(meter, GaugeMeter)
    assert meter._watts == pytest.approx(3.2)


def test_a_power_monitor_on_the_supply_is_used(root: Path):
    hwmon = "sys/class/hwmon/hwmon0"
    plant(root, {f"{hwmon}/name": "ina226", f"{hwmon}/power1_input": 2_500_000,
                 f"{hwmon}/power1_label": "supply"})  # fmt: skip
    (meter,) = power.find("cpu").meters
    assert (meter.method, meter.domain) == ("INA226", "supply")
    assert meter._watts == pytest.approx(2.5)


def test_a_gauge_is_integrated_over_time(monkeypatch: pytest.MonkeyPatch):
    moments, watts = iter([0.0, 1.0, 3.0]), iter([2.0, 4.0, 4.0])
    monkeypatch.setattr(power.time, "monotonic", lambda: next(moments))
    meter = GaugeMeter("m", "d", lambda: next(watts))
    meter.start()
    assert meter.advance() == 3.0  # the mean of 2 and 4 W for a second
    assert meter.advance() == 11.0  # and 4 W for two seconds more


class NVMLError(Exception):
    pass


WHOLE, PART = UUID(int=1), UUID(int=2)


def driver(own: UUID | None = WHOLE, **more: object) -> types.SimpleNamespace:
    """libcuda with one device: `_v2` answers with another UUID for a part of a GPU."""

    def fill(place: object, **fields: object) -> int:
        for name, content in fields.items():
            setattr(place, name, content)
        return 0

    library = types.SimpleNamespace(
        cuInit=lambda _: 0,
        cuDeviceGetCount=lambda count: fill(count._obj, value=1),
        cuDeviceGet=lambda _device, _number: 0,
        cuDeviceGetName=lambda name, _length, _device: fill(name, value=b"Tesla T4"),
        cuDeviceGetAttribute=lambda value, attribute, _device: fill(
            value._obj, value={75: 7, 76: 5}[attribute]
        ),
    )
    if own is not None:
        library.cuDeviceGetUuid = lambda answer, _: fill(answer, raw=WHOLE.bytes)
        library.cuDeviceGetUuid_v2 = lambda answer, _: fill(answer, raw=own.bytes)
    vars(library).update(more)
    return library


def use_driver(monkeypatch: pytest.MonkeyPatch, library: types.SimpleNamespace) -> None:
    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda _: library)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("pynvml")
    module.__spec__ = importlib.machinery.ModuleSpec("pynvml", None)
    module.NVMLError = NVMLError
    module.nvmlInit = lambda: None
    module.nvmlDeviceGetHandleByUUID = lambda name: name
    module.nvmlDeviceGetName = lambda handle: "NVIDIA Test"
    module.nvmlDeviceGetTotalEnergyConsumption = lambda handle: 5_000
    module.nvmlDeviceGetPowerUsage = lambda handle: 70_000
    process = types.SimpleNamespace(pid=os.getpid(), usedGpuMemory=123 << 20)
    module.nvmlDeviceGetComputeRunningProcesses = lambda handle: [process]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    use_driver(monkeypatch, driver())
    return module


def failing(*_: object) -> None:
    raise NVMLError("Not Supported")


def test_a_gpu_counts_beside_the_processor(root: Path, nvml: types.ModuleType):
    plant(root, rapl())
    assert [meter.method for meter in power.find("cuda").meters] == [
        "RAPL", "RAPL", "NVML energy counter"]  # fmt: skip
    assert [meter.method for meter in power.find("cpu").meters] == ["RAPL", "RAPL"]


def test_a_gpu_without_a_counter_has_its_power_integrated(root: Path, nvml: types.ModuleType):
    nvml.nvmlDeviceGetTotalEnergyConsumption = failing
    (meter,) = power.find("cuda").meters
    assert (meter.method, meter.domain) == ("NVML power", "NVIDIA Test")


def test_a_gpu_that_tells_nothing_leaves_its_rows_without_energy(
    root: Path, nvml: types.ModuleType
):
    plant(root, rapl())
    nvml.nvmlDeviceGetTotalEnergyConsumption = failing
    nvml.nvmlDeviceGetPowerUsage = failing
    found = power.find("cuda")
    assert not found.meters  # the processor alone is not the energy of an inference on a GPU
    assert "reports neither energy nor power" in found.reason


def executed(device_name: str, **more: object) -> Effective:
    return Effective("x", "float32", device_name, 1.0, None, runtime_version="x 1", **more)


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-40GB", "Tesla T4"])
def test_a_gpu_of_nvidia_counts_in_every_runtime(name: str, root: Path, nvml: types.ModuleType):
    """Keras and LiteRT call it "gpu"; the driver knows names that do not say NVIDIA."""
    plant(root, rapl())
    assert [meter.method for meter in power.find("gpu", executed(name)).meters] == [
        "RAPL", "RAPL", "NVML energy counter"]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Intel(R) Arc(TM) A770 Graphics (dGPU)", "AMD Radeon RX 7600 (RADV)", "unknown GPU"]
)
def test_a_gpu_that_nothing_meters_has_no_energy_but_a_reason(name: str, root: Path):
    plant(root, rapl())
    found = power.find("gpu", executed(name))
    assert not found.meters
    assert f"no interface reports the energy of {name}" in found.reason


@pytest.mark.parametrize(
    "effective",
    [
        executed("Intel(R) UHD Graphics 770 (iGPU)"),
        executed("SwiftShader Device", software=True),
    ],
    ids=["integrated", "software"],
)
def test_a_gpu_within_the_processor_is_counted_with_it(effective: Effective, root: Path):
    plant(root, rapl())
    assert [meter.method for meter in power.find("gpu", effective).meters] == ["RAPL", "RAPL"]


@pytest.mark.parametrize(
    ("own", "handle"),
    [
        (WHOLE, "GPU-00000000-0000-0000-0000-000000000001"),
        (PART, "MIG-00000000-0000-0000-0000-000000000002"),
    ],
)
def test_nvml_is_asked_for_the_gpu_that_cuda_counts_first(
    own: UUID, handle: str, nvml: types.ModuleType, monkeypatch: pytest.MonkeyPatch
):
    """NVML counts by bus, CUDA the fastest first: an index of one is none of the other."""
    use_driver(monkeypatch, driver(own))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert cuda.first_device() == CudaDevice("Tesla T4", (7, 5), handle)
    assert power.open_nvml() == (nvml, handle)


def test_a_driver_that_does_not_name_its_device_leaves_a_reason(
    nvml: types.ModuleType, monkeypatch: pytest.MonkeyPatch
):
    use_driver(monkeypatch, driver(own=None))
    assert "does not say which of NVML's GPUs Tesla T4 is" in str(power.open_nvml())


def test_no_gpu_is_visible_when_the_driver_offers_none(
    nvml: types.ModuleType, monkeypatch: pytest.MonkeyPatch
):
    use_driver(monkeypatch, driver(cuInit=lambda _: 100))  # CUDA_VISIBLE_DEVICES hides them all
    assert "no NVIDIA GPU is visible to this process" in str(power.open_nvml())


def with_processes(*pairs: tuple[int, int | None]) -> Callable[[object], list[object]]:
    return lambda handle: [types.SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in pairs]


def test_gpu_memory_is_this_processs_own(nvml: types.ModuleType):
    assert power.gpu_memory_bytes("gpu") == 123 << 20


def test_in_a_container_the_only_process_is_this_one(nvml: types.ModuleType):
    nvml.nvmlDeviceGetComputeRunningProcesses = with_processes((1, 77))
    assert power.gpu_memory_bytes("cuda") == 77


def test_the_only_process_that_computes_is_not_one_that_draws(nvml: types.ModuleType):
    nvml.nvmlDeviceGetComputeRunningProcesses = with_processes((1, 77))
    assert power.gpu_memory_bytes("gpu") == "NVML does not see this process on the GPU"


@pytest.mark.parametrize("processes", [(), ((1, 77), (2, 88)), ((os.getpid(), None),)])
def test_gpu_memory_that_cannot_be_told_has_a_reason(
    processes: tuple[tuple[int, int | None], ...], nvml: types.ModuleType
):
    nvml.nvmlDeviceGetComputeRunningProcesses = with_processes(*processes)
    assert isinstance(power.gpu_memory_bytes("cuda"), str)


def test_without_nvml_the_hint_is_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(power.importlib.util, "find_spec", lambda name: None)
    assert "nvidia-ml-py" in str(power.gpu_memory_bytes("cuda"))
