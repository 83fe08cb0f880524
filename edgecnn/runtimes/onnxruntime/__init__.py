"""ONNX Runtime on its CPU, CUDA and TensorRT execution providers."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Array, Availability, OperatorTime, Runtime, Session
from edgecnn.runtimes.cuda import first_device, multiplies_in_tf32
from edgecnn.runtimes.declared import fixed_inputs
from edgecnn.runtimes.host import adds_int8_in_16_bits, cpu_name, thread_count
from edgecnn.runtimes.onnxruntime import errors
from edgecnn.runtimes.onnxruntime import operator_times as operators
from edgecnn.runtimes.onnxruntime.session import ONNXRuntimeSession
from edgecnn.runtimes.onnxruntime.values import holders, plain_inputs, usable_outputs

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
EXACT_INT8 = "session.x64quantprecision"
"""Where int8 products are added in 16 bits (`host.adds_int8_in_16_bits`), this option makes ONNX
Runtime multiply in a way that does not overflow. Elsewhere sums are exact without it, and with it
ONNX Runtime leaves the fast kernels of processors with AMX.
"""
_CUDA_HINT = "pip install 'edgecnn[cuda]' brings CUDA and cuDNN"
_TENSORRT_HINT = "pip install 'edgecnn[cuda]' tensorrt"


class ONNXRuntime(Runtime):
    """ONNX Runtime, sequential, with `threads` threads inside an operator.

    Its threads spin between inferences (ONNX Runtime's default, kept: it is what an
    application gets, and turning it off costs latency).
    """

    name: ClassVar[str] = "onnxruntime"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda", "tensorrt")
    extra: ClassVar[str] = "onnx"

    @classmethod
    def find(cls, device: str) -> Availability:
        ort = require("onnxruntime", cls.extra)
        version = str(ort.__version__)
        if device == "cpu":
            return Availability(True, version=version, device_name=cpu_name())
        if PROVIDERS[device] not in ort.get_available_providers():
            return Availability(
                False, f"this onnxruntime is built without {device}", _CUDA_HINT, version
            )
        gpu = first_device()
        if isinstance(gpu, str):
            return Availability(False, gpu, "install the NVIDIA driver", version)
        missing = _missing_library(ort, device)
        if missing:
            hint = _CUDA_HINT if device == "cuda" else _TENSORRT_HINT
            return Availability(False, missing, hint, version, gpu.name)
        return Availability(True, version=version, device_name=gpu.name)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        return cls._load(path, device, options)

    @classmethod
    def profile(
        cls,
        path: Path,
        device: str,
        options: RuntimeOptions,
        tensors: Sequence[Sequence[Array]],
        inferences: int,
    ) -> list[OperatorTime]:
        session = cls._load(path, device, options)
        return operators.profile(session.profiled, tensors, inferences)

    @classmethod
    def _load(cls, path: Path, device: str, options: RuntimeOptions) -> ONNXRuntimeSession:
        ort = require("onnxruntime", cls.extra)
        signature = read_signature(path)
        plain = plain_inputs(signature)
        inputs = fixed_inputs(plain, options)
        outputs, places = usable_outputs(signature)
        availability = cls.available(device)
        session_options = _session_options(ort, options)
        for value, spec in zip(plain.inputs, inputs, strict=True):
            for dimension, size in zip(value.shape or (), spec.shape, strict=False):
                if isinstance(dimension, str) and size is not None:
                    session_options.add_free_dimension_override_by_name(dimension, size)
        providers = _providers(device, options)
        threads_before = thread_count()
        session = create(ort, path, session_options, providers)
        threads_after = thread_count()
        used = session.get_providers()
        if used[0] != PROVIDERS[device]:
            raise UnsupportedError(
                f"onnxruntime:{device}: the session fell back to {used[0]}",
                hint="see ONNX Runtime's log above",
            )

        def profiled(prefix: str) -> Any:
            session_options.enable_profiling = True
            session_options.profile_file_prefix = prefix
            return create(ort, path, session_options, providers)

        started = None
        if threads_before is not None and threads_after is not None:
            started = threads_after - threads_before
        return ONNXRuntimeSession(
            ort,
            session,
            inputs,
            outputs,
            places=places,
            holders=holders(signature),
            profiled=profiled,
            device_name=availability.device_name,
            may_overflow=device == "cpu"
            and adds_int8_in_16_bits()
            and session_options.get_session_config_entry(EXACT_INT8) == "0",
            tf32=device != "cpu" and _has_tf32(options),
            path=path,
            threads_started=started,
        )


def create(
    ort: ModuleType,
    path: Path,
    session_options: Any,
    providers: list[tuple[str, Mapping[str, str]]],
) -> Any:
    """An InferenceSession, or an error in one line."""
    try:
        return exact_session(ort, str(path), session_options, providers)
    except errors.failures() as error:
        raise errors.explained(ort, path, error) from error


def exact_session(
    ort: ModuleType, model: str | bytes, session_options: Any, providers: Sequence[Any]
) -> Any:
    """An InferenceSession whose int8 sums do not overflow, where ONNX Runtime can make one.

    Products of signed activations have no kernel for the weights that EXACT_INT8 makes, and a
    graph in which weights are outputs cannot be rewritten; those compute as they are, and
    `session_options` say so.
    """
    if not adds_int8_in_16_bits():
        return ort.InferenceSession(model, session_options, providers=providers)
    session_options.add_session_config_entry(EXACT_INT8, "1")
    try:
        return ort.InferenceSession(model, session_options, providers=providers)
    except errors.failures():
        session_options.add_session_config_entry(EXACT_INT8, "0")
        return ort.InferenceSession(model, session_options, providers=providers)


def _session_options(ort: ModuleType, options: RuntimeOptions) -> Any:
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session_options.inter_op_num_threads = 1
    session_options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    session_options.log_severity_level = 3  # errors: warnings speak of graph optimizations
    return session_options


def _providers(device: str, options: RuntimeOptions) -> list[tuple[str, Mapping[str, str]]]:
    """The provider with its options; what it cannot run goes to the CPU and is counted."""
    strict = options.precision == "strict_float32"
    chosen: list[tuple[str, Mapping[str, str]]] = []
    if device == "tensorrt":
        if strict:  # the provider has no switch of its own; CUDA's libraries read this one
            os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
        chosen.append((PROVIDERS["tensorrt"], {}))
    if device in ("tensorrt", "cuda"):
        chosen.append((PROVIDERS["cuda"], {"use_tf32": "0" if strict else "1"}))
    return [*chosen, (PROVIDERS["cpu"], {})]


def _has_tf32(options: RuntimeOptions) -> bool:
    """Whether float32 products run as TF32: by default, on devices since Ampere."""
    return options.precision != "strict_float32" and multiplies_in_tf32()


def _missing_library(ort: ModuleType, device: str) -> str:
    """What the provider's library lacks, in the loader's words; empty when it loads."""
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            ort.preload_dlls()
    if device == "tensorrt" and importlib.util.find_spec("tensorrt"):
        importlib.import_module("tensorrt")  # loads the libraries it carries
    library = Path(str(ort.__file__)).parent / "capi" / f"libonnxruntime_providers_{device}.so"
    if not library.exists():  # Windows, or a build that links the provider in
        return ""
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return f"a library is missing: {error}"
    return ""
