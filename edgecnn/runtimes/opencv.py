"""OpenCV's own inference (cv2.dnn) on the CPU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.kinds import format_of
from edgecnn.formats.signature import Signature
from edgecnn.registry import lookup, require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.precision import dominant
from edgecnn.tensor_spec import TensorSpec
from edgecnn.text import shortened

_COMPUTE = re.compile(r"(Conv|Convolution|Deconvolution|ConvTranspose|MatMul|Gemm|InnerProduct)")
_INTEGERS = {"int4", "int8", "uint8", "int16"}


class OpenCV(Runtime):
    """OpenCV's DNN module.

    OpenCV 5 has two engines. The new one is faster with float models and computes quantized
    ones in integers; the classic one plays quantized models in float32. The new one is taken
    where it knows every operator, else the classic one, as OpenCV itself does; `provider`
    says which. What both lack, as of 5.0: dynamic int8 (ONNX), and any integer in .tflite.
    """

    name: ClassVar[str] = "opencv"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "tflite")
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "opencv"

    @classmethod
    def find(cls, device: str) -> Availability:  # noqa: ARG003 (there is one)
        cv2 = require("cv2", cls.extra)
        return Availability(True, version=str(cv2.__version__), device_name=cpu_name())

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        cv2 = require("cv2", cls.extra)
        signature = read_signature(path)
        inputs = fixed_inputs(signature, options)
        outputs = declared_outputs(signature)
        misread = _taken_for_squares(signature)
        if _format(path) == "tflite":
            _refuse_misread_tflite(path, signature, outputs)
            # OpenCV turns the whole graph to channels first.
            inputs = tuple(_channels_first(spec) for spec in inputs)
        cv2.setNumThreads(options.threads)
        net, engine = _read(cv2, path, classic_only=misread)
        if engine == "classic":  # the new engine knows no other backend
            net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
            net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
        return OpenCVSession(cv2, net, engine, inputs, outputs)


class OpenCVSession(Session):
    """A network in OpenCV, which copies its input at each inference."""

    def __init__(
        self,
        cv2: ModuleType,
        net: Any,
        engine: str,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        self._cv2, self._net, self._engine = cv2, net, engine
        self.inputs = inputs
        self.process_threads = int(cv2.getNumThreads())
        own_names = {str(name): None for name in net.getUnconnectedOutLayersNames()}
        # A .tflite graph keeps its own names, which a signature renames: the order is the same.
        self._output_names = [
            spec.name if spec.name in own_names else list(own_names)[index]
            for index, spec in enumerate(outputs)
        ]
        self.outputs = outputs

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        set_input, forward, names = self._net.setInput, self._net.forward, self._output_names
        failure = self._cv2.error
        pairs = tuple(zip(tensors, (spec.name for spec in self.inputs), strict=True))
        if len(pairs) == 1:
            pairs = ((pairs[0][0], ""),)

        def invoke() -> Sequence[Array]:
            try:
                for tensor, name in pairs:
                    set_input(tensor, name)
                return forward(names)  # type: ignore[no-any-return]
            except failure as error:
                raise UnsupportedError(
                    f"OpenCV cannot run this model: {_one_line(error)}",
                    hint="try onnxruntime:cpu or openvino:cpu",
                ) from error

        return invoke

    @cached_property
    def effective(self) -> Effective:  # type: ignore[override]  # (computed when first asked for)
        """What executes, from the layers that are left after the first inference fused them."""
        zeros = [np.zeros([size or 1 for size in spec.shape], spec.dtype) for spec in self.inputs]
        self.bind(zeros)()
        types = [str(self._net.getLayer(name).type) for name in self._net.getLayerNames()]
        counts = Counter(
            "int8" if kind.endswith("Int8") else "float32" for kind in types if _COMPUTE.match(kind)
        )
        return Effective(
            provider=f"OpenCV DNN ({self._engine} engine)",
            precision=dominant(counts, "float32"),
            device_name=cpu_name(),
            delegated_fraction=1.0,  # an engine runs the whole network or refuses it
            threads=self.process_threads,
            runtime_version=f"OpenCV {self._cv2.__version__}",
            details={
                "compute_ops_by_precision": dict(counts),
                "layers": dict(Counter(types)),
            },
        )


def _refuse_misread_tflite(path: Path, signature: Signature, outputs: Sequence[TensorSpec]) -> None:
    """Raise UnsupportedError for what OpenCV would answer in another order, or wrongly."""
    if integers := sorted(signature.dtypes & _INTEGERS):
        # Dynamic int8 loads and answers NaN, static int8 and int16x8 do not load.
        raise UnsupportedError(
            f"{path.name}: OpenCV runs floating-point .tflite files only, this one holds "
            f"{', '.join(integers)}",
            hint="try litert:cpu, or convert to onnx",
        )
    if any(len(spec.shape) > 2 for spec in outputs):
        raise UnsupportedError(
            f"{path.name}: OpenCV reorders the axes of .tflite outputs like {outputs[0].shape}",
            hint="try litert:cpu, or convert to onnx",
        )


def _channels_first(spec: TensorSpec) -> TensorSpec:
    if len(spec.shape) != 4:
        return spec
    batch, height, width, channels = spec.shape
    return replace(spec, shape=(batch, channels, height, width), layout="NCHW")


def _taken_for_squares(signature: Signature) -> bool:
    """Whether the new engine would compute a convolution wrongly.

    OpenCV 5.0 takes a float kernel of nine values for one of 3×3: a window of 1×9 (the first
    of a 1-D network) reads past its input, and answers 3e38 or NaN.
    """
    nine = any(prod(kernel) == 9 and set(kernel) != {3} for kernel in signature.kernels)
    return nine and not signature.operators.get("QuantizeLinear")


def _format(path: Path) -> str:
    """One of "tflite" and "onnx"; raises InputError for any other."""
    name = format_of(path, "format of OpenCV").name
    return lookup("format of OpenCV", name, {each: each for each in OpenCV.formats})


def _read(cv2: ModuleType, path: Path, *, classic_only: bool = False) -> tuple[Any, str]:
    """(network, engine): the new engine where it knows every operator, else the classic one."""
    readers = {"tflite": "readNetFromTFLite", "onnx": "readNetFromONNX"}
    read = getattr(cv2.dnn, readers[_format(path)])
    engines: list[tuple[str, dict[str, int]]] = [("classic", {})]
    if hasattr(cv2.dnn, "ENGINE_NEW") and classic_only:
        engines = [("classic", {"engine": cv2.dnn.ENGINE_CLASSIC})]
    elif hasattr(cv2.dnn, "ENGINE_NEW"):
        engines = [
            ("new", {"engine": cv2.dnn.ENGINE_NEW}),
            ("classic", {"engine": cv2.dnn.ENGINE_CLASSIC}),
        ]
    reason = "no engine reads it"
    for engine, arguments in engines:
        try:
            with _silent(cv2):
                net = read(str(path), **arguments)
        except cv2.error as error:
            reason = _one_line(error)
            continue
        if not net.empty():
            return net, engine
    signature = read_signature(path)
    versions = f" (the file has {signature.versions})" if signature.opsets else ""
    raise UnsupportedError(
        f"{path.name}: OpenCV {cv2.__version__} cannot run it: {reason}{versions}",
        hint="try onnxruntime:cpu or openvino:cpu",
    )


@contextmanager
def _silent(cv2: ModuleType) -> Iterator[None]:
    """Without OpenCV's log, whose errors the exception reports."""
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)


def _one_line(error: Exception) -> str:
    """The innermost reason of a cv2.error without version, source file and code."""
    text = " ".join(str(error).split())
    reasons = re.findall(r"error: \(-?\d+:[^)]*\) (.+?)(?= OpenCV\(|$)", text)
    reason = re.sub(r" in function '[^']*'", "", reasons[-1] if reasons else text)
    node = re.search(r"Node \[([^@\]]+)", text)
    return (f"{node[1]}: " if node else "") + shortened(reason.strip(" >'"), 600)
