"""What every test may use: real data where it lies, and a runtime that misbehaves on purpose."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edgecnn.registry import RUNTIMES

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"

# A plug-in runtime, found through its entry point like any third party's. Each "device" is one
# way to go wrong that no installed runtime can be made to show on demand.
MISBEHAVING_RUNTIME = """
import os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from edgecnn.errors import UnavailableError, UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.results import Effective, RuntimeOptions
from edgecnn.runtimes.base import Availability, Runtime, Session

class MisbehavingSession(Session):
    inputs = (TensorSpec("input", (None, 4), "float32", "NC"),)
    outputs = (TensorSpec("output", (None, 2), "float32", "NC"),)

    def __init__(self, device):
        self.device = device
        share = 0.5 if device == "partial" else 1.0
        precision = "bfloat16" if device == "reduced" else "float32"
        self.effective = Effective("misbehaving", precision, device, delegated_fraction=share,
                                   software=device == "software")
        self.count = 0
        self.leak = []

    def bind(self, tensors):
        (values,) = tensors
        device = self.device

        def invoke():
            self.count += 1
            if device == "slow":
                time.sleep(0.4)
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
            if device == "hot" and self.count == 2_000:
                for later in Path(os.environ["EDGECNN_SYSTEM_ROOT"]).rglob("*.later"):
                    later.replace(later.with_suffix(""))
            if device == "busy":
                end = time.perf_counter() + 0.002
                while time.perf_counter() < end:
                    pass
            if device == "drift":
                time.sleep(0.0002 + 0.0000005 * self.count)
            time.sleep(0.0002)
            if device in ("early", "late"):
                output = np.zeros((len(values), 2), np.float32)
                secs = 0.002 if device == "early" else 0.3
                timer = threading.Timer(secs, lambda: output.fill(1.0))
                timer.daemon = True
                timer.start()
                return [output]
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
               "partial", "software", "slow-first", "outliers", "bimodal", "leak", "chatty",
               "drift", "busy", "early", "late", "reduced", "hot", "slow", "absent")
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
        if device == "absent":
            raise UnavailableError("no such device here", hint="plug it in")
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
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a plug-in runtime from source for this test, here and in worker processes."""
    installed = []

    def install(name: str, source: str, attribute: str) -> None:
        site = tmp_path / f"site-{name}"
        metadata = site / f"{name}-1.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{name}_runtime.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(
            f"[edgecnn.runtimes]\n{name} = {name}_runtime:{attribute}\n"
        )
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        RUNTIMES.__dict__.pop("_table", None)
        installed.append(f"{name}_runtime")

    yield install
    RUNTIMES.__dict__.pop("_table", None)
    for module in installed:
        sys.modules.pop(module, None)


@pytest.fixture
def misbehaving_runtime(plug_in):
    """The plug-in runtime `misbehaving`; each of its devices is one way to go wrong."""
    plug_in("misbehaving", MISBEHAVING_RUNTIME, "Misbehaving")


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A .tflite file that adds four numbers, for tests that need a model of any kind."""
    from tests.unit.formats.small_models import write_tflite

    return write_tflite(tmp_path / "model.tflite")


@pytest.fixture(scope="session")
def digits():
    """The embedded data set of real handwritten digits."""
    from edgecnn import data

    return data.load("digits")


@pytest.fixture(scope="session")
def trained_lenet(digits, tmp_path_factory: pytest.TempPathFactory):
    """LeNet-5 trained on the digits for a few epochs (an Artifact)."""
    from edgecnn.training import train

    out = tmp_path_factory.mktemp("trained") / "lenet5.keras"
    return train("lenet5", digits, epochs=12, out=out)


@pytest.fixture(scope="session")
def lenet_artifacts(trained_lenet, digits, tmp_path_factory: pytest.TempPathFactory):
    """The trained LeNet-5 converted: {"tflite:float32": Artifact, …}."""
    from edgecnn.conversion.convert import convert

    wanted = ("tflite:float32", "tflite:static_int8", "onnx:float32")
    folder = tmp_path_factory.mktemp("artifacts")
    outcomes = convert(trained_lenet.path, wanted, calibration=digits, out=folder)
    return {str(outcome.target): outcome.artifact for outcome in outcomes}
