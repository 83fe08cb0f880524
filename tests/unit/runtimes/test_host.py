"""What the host says about itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgecnn.runtimes import host
from edgecnn.runtimes.cuda import CudaDevice, first_device
from edgecnn.runtimes.host import adds_int8_in_16_bits, cpu_name, thread_count
from edgecnn.runtimes.precision import dominant
from edgecnn.system.native_output import captured_stderr

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.exists(), reason="no /proc/cpuinfo")
def test_the_processor_is_named_as_the_kernel_names_it() -> None:
    fields = dict(
        (part.strip() for part in line.split(":", 1))
        for line in CPUINFO.read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    named = fields.get("model name") or fields.get("Model") or fields.get("Hardware")
    assert cpu_name() == named if named else cpu_name()


def test_threads_are_counted() -> None:
    before = thread_count()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    after = thread_count()
    stop.set()
    thread.join()
    if Path("/proc/self/status").exists():
        assert after == before + 1
    else:
        assert before is after is None


def test_an_nvidia_device_is_named_or_missed_with_a_reason() -> None:
    found = first_device()
    if any(Path("/dev").glob("nvidia[0-9]*")):
        assert isinstance(found, CudaDevice)
        assert found.name
    else:
        assert found == "no NVIDIA driver (libcuda) on this machine"


def test_native_standard_error_is_captured() -> None:
    import os

    with captured_stderr() as lines:
        os.write(2, b"from native code\n")
    assert lines == ["from native code"]


def test_the_dominant_precision_is_that_of_most_nodes() -> None:
    assert dominant({"float32": 1, "int8": 5}, "unknown") == "int8"
    assert dominant({}, "float32") == "float32"


@pytest.mark.parametrize(
    ("flags", "may_overflow"),
    [
        ("sse4_2 avx avx2 fma", True),
        ("avx2 avx512f avx512bw", True),
        ("avx2 avx512f avx512_vnni", False),
        ("avx2 avx_vnni", False),
        ("fp asimd asimddp", False),
    ],
)
def test_int8_sums_may_overflow_on_x86_without_vnni(monkeypatch, flags, may_overflow):
    monkeypatch.setattr(host, "_cpuinfo", lambda: {"flags": flags})
    assert adds_int8_in_16_bits.__wrapped__() is may_overflow


@pytest.mark.parametrize(
    ("machine", "features", "may_overflow"),
    [
        ("AMD64", {"AVX2": True, "AVX512VNNI": False}, True),
        ("x86_64", {"AVX2": True, "AVX512VNNI": True}, False),
        ("x86_64", {"AVX2": False}, False),
        ("x86_64", {}, True),  # nobody knows: taking care costs time alone
        ("aarch64", {}, False),
        ("arm64", {"ASIMD": True}, False),
    ],
)
def test_where_flags_are_not_listed_numpy_is_asked(monkeypatch, machine, features, may_overflow):
    monkeypatch.setattr(host, "_cpuinfo", dict)
    monkeypatch.setattr(host, "_numpy_features", lambda: features)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert adds_int8_in_16_bits.__wrapped__() is may_overflow


@pytest.mark.skipif("flags" not in host._cpuinfo(), reason="no flags in /proc/cpuinfo")
def test_numpy_knows_what_the_kernel_lists():
    flags, features = host._cpuinfo()["flags"].split(), host._numpy_features()
    assert features["AVX2"] is ("avx2" in flags)
    assert features["AVX512VNNI"] is ("avx512_vnni" in flags)
