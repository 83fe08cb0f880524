"""LiteRT on the GPU: the compiled model with the WebGPU accelerator (Vulkan on Linux)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgecnn.errors import UnavailableError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature
from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, Session
from edgecnn.runtimes.declared import declared_inputs, declared_outputs, fixed_inputs
from edgecnn.runtimes.vulkan import devices
from edgecnn.system.native_output import captured_stderr
from edgecnn.tensor_spec import TensorSpec

DRIVER_HINT = (
    "install the GPU's Vulkan driver (Debian: apt-get install libvulkan1 mesa-vulkan-drivers)"
)
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.+?), arch=.*adapterType=(?P<type>.+)$")
_SPLIT = re.compile(
    r"(?P<gpu>\d+) operations will run on the GPU, and the remaining (?P<cpu>\d+) operations"
)
_NOT_ACCELERATED = "not accelerated"
_BUFFER_DTYPES = ("float32", "float16", "int32", "int8", "uint8", "bool")


def probe(version: str) -> Availability:
    """Whether a Vulkan device is there. Other systems bring a driver of their own."""
    if not sys.platform.startswith("linux"):
        return Availability(True, version=version)
    gpus = devices()
    if isinstance(gpus, str):
        return Availability(False, gpus, DRIVER_HINT, version)
    first = gpus[0]
    name = first.name + (" (software, on the CPU)" if first.software else "")
    return Availability(True, version=version, device_name=name)


def load(path: Path, options: RuntimeOptions, runtime_version: str) -> LiteRTGPUSession:
    """Compile a .tflite file for the GPU.

    Raises UnsupportedError when no adapter is found or the GPU would run none of the model.
    """
    signature = read_signature(path)
    fixed_inputs(signature, options)
    for spec in (*declared_inputs(signature), *declared_outputs(signature)):
        if spec.dtype not in _BUFFER_DTYPES:
            raise UnsupportedError(
                f"{path.name}: LiteRT's GPU buffers hold no {spec.dtype} ({spec.name!r})",
                hint="run it on litert:cpu",
            )
    availability = probe(runtime_version)
    if not availability.available:
        raise UnavailableError(f"litert:gpu: {availability.reason}", hint=availability.hint)
    return LiteRTGPUSession(path, options, runtime_version, signature)


class LiteRTGPUSession(Session):
    """A model on LiteRT's GPU accelerator.

    The accelerator returns before it is done: reading the outputs waits for it (MobileNetV2
    on SwiftShader: 0.25 ms for the call, 214 ms until the result is there). An inference
    therefore writes the inputs to the device, runs, and reads the outputs back.
    """

    def __init__(
        self,
        path: Path,
        options: RuntimeOptions,
        runtime_version: str,
        signature: Signature,
    ) -> None:
        self._path = path
        self._options = options
        self._version = runtime_version
        self._signature = signature
        self._strict = options.precision == "strict_float32"
        self._model, self._log, self._complete = _compile(path, enforce_f32=self._strict)
        fixed = fixed_inputs(signature, options)
        try:
            for index, (declared, spec) in enumerate(
                zip(declared_inputs(signature), fixed, strict=True)
            ):
                if declared.shape != spec.shape:
                    self._model.resize_input_tensor(index, list(spec.shape))
        except RuntimeError as error:
            raise UnsupportedError(
                f"{path.name}: LiteRT's GPU does not take batch {options.batch}: "
                f"{_last_line(str(error))}",
                hint="convert the model with a fixed batch",
            ) from error
        key = next(iter(self._model.get_signature_list()))
        self.inputs = _fixed(declared_inputs(signature), self._model.get_input_tensor_details(key))
        self.outputs = _fixed(
            declared_outputs(signature), self._model.get_output_tensor_details(key)
        )

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        model = self._model
        inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
        writes = tuple(zip((buffer.write for buffer in inputs), tensors, strict=True))
        shapes = [[size or 1 for size in spec.shape] for spec in self.outputs]
        reads = tuple(
            (buffer.read, int(np.prod(shape)), np.dtype(spec.dtype), shape)
            for buffer, spec, shape in zip(outputs, self.outputs, shapes, strict=True)
        )
        run = model.run_by_index

        def invoke() -> Sequence[Array]:
            for write, tensor in writes:
                write(tensor)
            run(0, inputs, outputs)
            return [read(count, dtype).reshape(shape) for read, count, dtype, shape in reads]

        return invoke

    @cached_property
    def effective(self) -> Effective:  # type: ignore[override]  # (computed when first asked for)
        """Adapter and share from the accelerator's log; precision by computing it both ways."""
        name, software = self._adapter()
        gpu, total = self._operations()
        precision = "float32" if self._strict else self._computed_precision()
        return Effective(
            provider="LiteRT GPU (WebGPU)",
            precision=precision,
            device_name=name,
            delegated_fraction=1.0 if self._complete else (gpu / total if total else None),
            threads=None,
            software=software,
            runtime_version=self._version,
            details={"fully_accelerated": bool(self._model.is_fully_accelerated())},
        )

    def _adapter(self) -> tuple[str, bool]:
        for line in self._log:
            if match := _ADAPTER.search(line):
                return match["name"], "cpu" in match["type"].lower()
        gpus = devices()
        if isinstance(gpus, list):
            return gpus[0].name, gpus[0].software
        return "unknown GPU", False

    def _operations(self) -> tuple[int, int]:
        """(operations on the GPU, all operations) from the log of a partial delegation."""
        for line in self._log:
            if match := _SPLIT.search(line):
                return int(match["gpu"]), int(match["gpu"]) + int(match["cpu"])
        return 0, 0

    def _computed_precision(self) -> str:
        """float32 when enforcing it changes no bit of the outputs, else float16.

        The accelerator computes in float16 where the adapter can and says so nowhere.
        """
        random = np.random.default_rng(0)
        tensors = [_random_tensor(random, spec) for spec in self.inputs]
        enforced = LiteRTGPUSession(
            self._path,
            replace(self._options, precision="strict_float32"),
            self._version,
            self._signature,
        )
        pairs = zip(self.bind(tensors)(), enforced.bind(tensors)(), strict=True)
        same = all(np.array_equal(ours, exact, equal_nan=True) for ours, exact in pairs)
        return "float32" if same else "float16"


def _fixed(
    specs: Sequence[TensorSpec], details: Mapping[str, Mapping[str, Any]]
) -> tuple[TensorSpec, ...]:
    """The file's specs with the shapes of the compiled model, which it keys by name."""
    return tuple(
        replace(spec, shape=tuple(int(size) for size in details[spec.name]["shape"]))
        if spec.name in details
        else spec
        for spec in specs
    )


def _random_tensor(random: np.random.Generator, spec: TensorSpec) -> Array:
    shape = [size or 1 for size in spec.shape]
    if spec.dtype.startswith("float"):
        return random.random(shape, np.float32).astype(spec.dtype)
    return random.integers(0, 2 if spec.dtype == "bool" else 127, shape).astype(spec.dtype)


def _compile(path: Path, *, enforce_f32: bool) -> tuple[Any, list[str], bool]:
    """(compiled model, what the accelerator logged, whether all of it runs on the GPU)."""
    library = require("ai_edge_litert.compiled_model", "litert")
    gpu, cpu = library.HardwareAccelerator.GPU, library.HardwareAccelerator.CPU
    try:
        model, log = _create(library, path, gpu, enforce_f32=enforce_f32)
        return model, log, True
    except _CompilationError as error:
        if _NOT_ACCELERATED not in str(error.reason):
            raise UnsupportedError(
                f"litert:gpu: {_cause(error.log, error.reason)}", hint=DRIVER_HINT
            ) from error
        if any("No operations will run on the GPU" in line for line in error.log):
            raise UnsupportedError(
                f"{path.name}: LiteRT's GPU runs none of its operators: "
                f"{_unsupported_operators(error.log)}",
                hint="run it on litert:cpu, or convert to float32 or float16",
            ) from error
    try:
        model, log = _create(library, path, gpu | cpu, enforce_f32=enforce_f32)
    except _CompilationError as error:
        raise UnsupportedError(
            f"{path.name}: LiteRT's GPU cannot compile it: {_cause(error.log, error.reason)}",
            hint="run it on litert:cpu",
        ) from error
    return model, log, False


class _CompilationError(Exception):
    def __init__(self, reason: RuntimeError, log: list[str]) -> None:
        super().__init__(str(reason))
        self.reason, self.log = reason, log


def _create(
    library: ModuleType, path: Path, accelerators: Any, *, enforce_f32: bool
) -> tuple[Any, list[str]]:
    options = library.Options(
        hardware_accelerators=accelerators,
        gpu_options=library.GpuOptions(enforce_f32=enforce_f32),
    )
    log: list[str] = []
    try:
        with captured_stderr() as log:
            model = library.CompiledModel.from_file(str(path), options=options)
    except RuntimeError as error:
        raise _CompilationError(error, log) from error
    return model, log


def _cause(log: Sequence[str], error: RuntimeError) -> str:
    """The log's own words for why there is no GPU."""
    for phrase in ("Couldn't load Vulkan", "Found no drivers", "No adapters found"):
        for line in log:
            if phrase in line:
                return line.partition(": ")[2].strip() or line.strip()
    return _last_line(str(error))


def _unsupported_operators(log: Sequence[str]) -> str:
    heading = next((i for i, line in enumerate(log) if "operations are not supported" in line), -1)
    reasons = [line.strip() for line in log[heading + 1 : heading + 3] if heading >= 0]
    return "; ".join(reasons) or "see LiteRT's log"


def _last_line(text: str) -> str:
    lines = [line.strip(" └") for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
