"""The toy runtime: numpy's product."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecnn.formats.check import model_files, read_signature
from edgecnn.results import Effective, RuntimeOptions
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs


class ToySession(Session):
    """A toy network, loaded."""

    def __init__(self, path: Path, options: RuntimeOptions) -> None:
        signature = read_signature(path)
        self.inputs = fixed_inputs(signature, options)
        self.outputs = declared_outputs(signature)
        self.effective = Effective("numpy", "float32", "a CPU", runtime_version=np.__version__)
        rows, columns = self.inputs[0].shape[1], self.outputs[0].shape[1]
        weights = np.fromfile(model_files(path)[1], np.float32)
        self.weights = weights.reshape(rows or 0, columns or 0)

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        (values,) = tensors
        return lambda: [values @ self.weights]


class ToyRuntime(Runtime):
    """Runs toy networks."""

    name: ClassVar[str] = "toy"
    formats: ClassVar[tuple[str, ...]] = ("toy",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "none"

    @classmethod
    def probe(cls, device: str) -> Availability:
        cls.check_device(device)
        return Availability(True, version="1", device_name="a CPU")

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        return ToySession(path, options)
