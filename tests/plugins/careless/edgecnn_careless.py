"""Two runtimes with faults that many have: one looks at the clock before a GPU is done, one starts
more threads than it was asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from edgecnn.formats.check import read_signature
from edgecnn.manifest import TensorSpec
from edgecnn.results import Effective, RuntimeOptions
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.declared import declared_inputs, declared_outputs

BLOCK = bytes(1 << 25)


class Unread:
    """An output that is read from the GPU when somebody asks for its values."""

    def __init__(self, buffer: Any, spec: TensorSpec) -> None:
        self.buffer = buffer
        self.shape = tuple(size or 1 for size in spec.shape)
        self.nbytes = 4 * int(np.prod(self.shape))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        values: Array = self.buffer.read(int(np.prod(self.shape)), np.float32)
        return values.reshape(self.shape)


class NaiveSession(Session):
    """Does what many benchmarks do: it starts the GPU and looks at the clock."""

    effective = Effective("LiteRT GPU", "float32", "GPU", 1.0)

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.compiled_model import CompiledModel, HardwareAccelerator

        signature = read_signature(path)
        self.inputs, self.outputs = declared_inputs(signature), declared_outputs(signature)
        self.model = CompiledModel.from_file(str(path), HardwareAccelerator.GPU)

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        inputs = self.model.create_input_buffers(0)
        outputs = self.model.create_output_buffers(0)
        for buffer, tensor in zip(inputs, tensors, strict=True):
            buffer.write(tensor)

        def invoke() -> Sequence[Array]:
            self.model.run_by_index(0, inputs, outputs)
            unread = [
                Unread(buffer, spec) for buffer, spec in zip(outputs, self.outputs, strict=True)
            ]
            return cast("Sequence[Array]", unread)

        return invoke


class NaiveGPU(Runtime):
    """LiteRT's GPU, without waiting for it."""

    name: ClassVar[str] = "naive"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    devices: ClassVar[tuple[str, ...]] = ("gpu",)
    extra: ClassVar[str] = "litert"

    @classmethod
    def probe(cls, device: str) -> Availability:
        return Availability(True)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        return NaiveSession(path)


def _busy(_: int) -> None:
    hashlib.sha256(BLOCK).digest()  # native code that lets other threads run


class GreedySession(Session):
    """Answers its input, after work on four threads."""

    inputs = (TensorSpec("input", (None, 4), "float32", "NC"),)
    outputs = (TensorSpec("output", (None, 4), "float32", "NC"),)
    effective = Effective("greedy", "float32", "a CPU")
    pool = ThreadPoolExecutor(4)

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        def invoke() -> Sequence[Array]:
            list(self.pool.map(_busy, range(4)))
            return tensors

        return invoke


class Greedy(Runtime):
    """Four threads, whatever was asked."""

    name: ClassVar[str] = "greedy"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "none"

    @classmethod
    def probe(cls, device: str) -> Availability:
        return Availability(True)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        return GreedySession()
