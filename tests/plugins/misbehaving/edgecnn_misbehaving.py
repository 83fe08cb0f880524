"""A runtime whose devices go wrong, each in one way that no real runtime shows on demand."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecnn.errors import UnavailableError, UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.results import Effective, RuntimeOptions
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session


class MisbehavingSession(Session):
    """Answers the sum of four numbers and its negative, unless its device does otherwise."""

    inputs = (TensorSpec("input", (None, 4), "float32", "NC"),)
    outputs = (TensorSpec("output", (None, 2), "float32", "NC"),)

    def __init__(self, device: str) -> None:
        self.device = device
        self.effective = Effective(
            "misbehaving",
            "bfloat16" if device == "reduced" else "float32",
            device,
            delegated_fraction=0.5 if device == "partial" else 1.0,
            software=device == "software",
        )
        self.count = 0
        self.seen: set[bytes] = set()
        self.leak: list[bytearray] = []

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        (values,) = tensors

        def invoke() -> Sequence[Array]:
            self.count += 1
            self._misbehave()
            if self.device == "witness":
                self.seen.add(values.tobytes())
                self.effective = replace(self.effective, provider=f"{len(self.seen)} inputs")
            time.sleep(0.0002)
            return self._answer(values)

        return invoke

    def _misbehave(self) -> None:
        device, count = self.device, self.count
        slow = (
            device == "slow" and 0.4,
            device == "slow-first" and count == 1 and 0.05,
            device == "outliers" and count % 200 == 0 and 0.005,
            device == "bimodal" and (count // 40) % 2 and 0.001,
            device == "drift" and 0.0002 + 0.000002 * count,
        )
        for secs in filter(None, slow):
            time.sleep(secs)
        if device == "leak":
            self.leak.append(bytearray(1 << 16))
        if device == "crash-late" and count == 30:
            os.abort()
        if device == "hot" and count == 2_000:
            for later in Path(os.environ["EDGECNN_SYSTEM_ROOT"]).rglob("*.later"):
                later.replace(later.with_suffix(""))
        if device == "busy":
            end = time.perf_counter() + 0.002
            while time.perf_counter() < end:
                pass

    def _answer(self, values: Array) -> Sequence[Array]:
        device = self.device
        if device in ("early", "late"):
            output = np.zeros((len(values), 2), np.float32)
            timer = threading.Timer(0.002 if device == "early" else 0.3, lambda: output.fill(1.0))
            timer.daemon = True
            timer.start()
            return [output]
        if device == "constant":
            return [np.full((len(values), 2), 0.5, np.float32)]
        if device == "nan":
            return [np.full((len(values), 2), np.nan, np.float32)]
        total = values.sum(axis=1)
        return [np.stack([total, -total], axis=1).astype(np.float32)]


class Misbehaving(Runtime):
    """See the module."""

    name: ClassVar[str] = "misbehaving"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    devices: ClassVar[tuple[str, ...]] = (
        *("cpu", "crash", "crash-late", "hang", "kill", "exit", "fallback", "constant", "nan"),
        *("partial", "software", "slow-first", "outliers", "bimodal", "leak", "chatty", "drift"),
        *("busy", "early", "late", "reduced", "hot", "slow", "absent", "witness"),
    )
    extra: ClassVar[str] = "none"

    @classmethod
    def probe(cls, device: str) -> Availability:
        return Availability(True, version="1", device_name=device)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
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
            os.write(1, b"noise from native code on standard output\n")
            print("noise from Python on standard output")
        return MisbehavingSession(device)
