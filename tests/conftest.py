"""What every test may use: real data where it lies, and a runtime that misbehaves on purpose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgecnn.registry import RUNTIMES

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"

# A plug-in runtime, found through its entry point like any third party's. Each "device" is one
# way to go wrong that no installed runtime can be made to show on demand.
MISBEHAVING_RUNTIME = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from edgecnn.errors import UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.results import Effective, RuntimeOptions
from edgecnn.runtimes.base import Availability, Runtime, Session


class MisbehavingSession(Session):
    inputs = (TensorSpec("input", (None, 4), "float32", "NC"),)
    outputs = (TensorSpec("output", (None, 2), "float32", "NC"),)

    def __init__(self, device):
        self.device = device
        share = 0.5 if device == "partial" else 1.0
        self.effective = Effective(
            "misbehaving", "float32", "SwiftShader" if device == "software" else device,
            delegated_fraction=share, software=device == "software")
        self.count = 0
        self.leak = []

    def bind(self, tensors):
        (values,) = tensors
        device = self.device

        def invoke():
            self.count += 1
            if device == "slow-first" and self.count == 1:
                time.sleep(0.05)
            if device == "outliers" and self.count % 200 == 0:
                time.sleep(0.005)
            if device == "bimodal" and (self.count // 40) % 2:
                time.sleep(0.001)
            if device == "leak":
                self.leak.append(bytearray(1 << 16))
            if device == "crash-late" and self.count == 30:
                os.abort()
            time.sleep(0.0002)
            if device == "constant":
                return [np.full((len(values), 2), 0.5, np.float32)]
            if device == "nan":
                return [np.full((len(values), 2), np.nan, np.float32)]
            total = values.sum(axis=1)
            return [np.stack([total, -total], axis=1).astype(np.float32)]

        return invoke


class Misbehaving(Runtime):
    name = "misbehaving"
    formats = ("tflite",)
    devices = ("cpu", "crash", "crash-late", "hang", "kill", "exit", "fallback", "constant", "nan",
               "partial", "software", "slow-first", "outliers", "bimodal", "leak", "chatty")
    extra = "none"

    @classmethod
    def probe(cls, device):
        return Availability(True, version="1", device_name=device)

    @classmethod
    def load(cls, path, device, options):
        if device == "crash":
            os.abort()
        if device == "hang":
            time.sleep(3600)
        if device == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if device == "exit":
            print("the runtime gave up", file=sys.stderr, flush=True)
            os._exit(7)
        if device == "fallback":
            raise UnsupportedError("would run on the CPU", hint="install the driver")
        if device == "chatty":
            os.write(1, b"noise from native code on standard output\\\\n")
            print("noise from Python on standard output")
        return MisbehavingSession(device)
"""


@pytest.fixture
def shared_data() -> Path:
    """Real data beside the project; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data beside the project (../shared/data)")
    return SHARED_DATA


@pytest.fixture
def misbehaving_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install the plug-in runtime `misbehaving` for this test, here and in worker processes."""
    site = tmp_path / "site"
    metadata = site / "misbehaving-1.dist-info"
    metadata.mkdir(parents=True)
    (site / "misbehaving_runtime.py").write_text(MISBEHAVING_RUNTIME)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[edgecnn.runtimes]\nmisbehaving = misbehaving_runtime:Misbehaving\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    RUNTIMES.__dict__.pop("_table", None)
    yield
    RUNTIMES.__dict__.pop("_table", None)
    sys.modules.pop("misbehaving_runtime", None)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A file that looks like a .tflite to edgecnn; only `misbehaving` loads it."""
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(64))
    return path
