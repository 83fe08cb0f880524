"""MNN on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import check_model_path, read_signature
from edgecnn.formats.mnn import opened
from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.precision import dominant
from edgecnn.runtimes.tensors import guess_layout
from edgecnn.system.native_output import captured_output
from edgecnn.tensor_spec import TensorSpec
from edgecnn.text import shortened

_PRECISION = {"default": "normal", "strict_float32": "high"}
"""Both compute floats in float32 on a CPU; "low", which halves them on ARM, is never asked for."""
_CODES = {
    1: "out of memory",
    2: "an operator that it does not have",
    3: "the shapes do not fit",
    4: "no way to execute an operator",
    10: "bad input",
}


class MNN(Runtime):
    """Alibaba's MNN, its sessions on the CPU.

    A session that was not resized computes nothing, and says nothing: every session is resized
    to the inputs' shapes here, and one whose outputs have no shape then is refused.
    """

    name: ClassVar[str] = "mnn"
    formats: ClassVar[tuple[str, ...]] = ("mnn",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "mnn"

    @classmethod
    def find(cls, device: str) -> Availability:  # noqa: ARG003 (there is one)
        mnn = library()
        return Availability(True, version=str(mnn.version()), device_name=cpu_name())

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        mnn = library()
        path = check_model_path(path)
        signature = read_signature(path)
        inputs = fixed_inputs(signature, options)
        with opened(path) as net:
            if any(operator.external for operator in net.operators):
                raise UnsupportedError(
                    f"{path.name} keeps its weights in another file",
                    hint="convert it without --saveExternalData",
                )
            counts = Counter(net.precisions)
        with captured_output() as log:
            interpreter, session = _resized(mnn, path, inputs, options)
        outputs = tuple(
            _shaped(spec, _tensor(interpreter.getSessionOutput, session, spec.name))
            for spec in declared_outputs(signature)
        )
        if not all(outputs) or any(size <= 0 for spec in outputs for size in _sizes(spec)):
            raise UnsupportedError(
                f"{path.name}: MNN {mnn.version()} cannot lay out the network for "
                f"{', '.join(_spec_text(spec) for spec in inputs)}: {_reason(log)}",
                hint="pass the shape and the batch that the model was made for, or try another "
                "target",
            )
        effective = Effective(
            provider="MNN CPU",
            precision=dominant(counts, "float32"),
            device_name=cpu_name(),
            delegated_fraction=1.0,  # it runs the whole network or refuses it
            threads=options.threads,
            runtime_version=f"MNN {mnn.version()}",
            details={
                "compute_ops_by_precision": dict(counts),
                "precision_mode": _PRECISION[options.precision],
                "memory_mode": "normal",
                "power_mode": "normal",
            },
        )
        specs = tuple(spec for spec in outputs if spec)
        return MNNSession((mnn, interpreter, session), inputs, specs, effective)


class MNNSession(Session):
    """A session of MNN's interpreter, which copies its inputs and outputs."""

    def __init__(
        self,
        loaded: tuple[ModuleType, Any, Any],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        effective: Effective,
    ) -> None:
        mnn, interpreter, session = self._mnn, self._interpreter, self._session = loaded
        self.inputs, self.outputs, self.effective = inputs, outputs, effective
        self._given = [interpreter.getSessionInput(session, spec.name) for spec in inputs]
        # A quantized output has its values in order in a tensor of the host only.
        self._answers = [
            (tensor, _host(mnn, tensor, np.zeros(tensor.getShape(), spec.dtype)))
            for spec in outputs
            for tensor in [interpreter.getSessionOutput(session, spec.name)]
        ]

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        run, session, answers = self._interpreter.runSession, self._session, self._answers
        pairs = [
            (given, _host(self._mnn, given, array))
            for given, array in zip(self._given, tensors, strict=True)
        ]

        def invoke() -> Sequence[Array]:
            for given, host in pairs:
                given.copyFrom(host)
            code = run(session)
            if code:
                raise _not_computed(code)
            for tensor, host in answers:
                tensor.copyToHostTensor(host)
            return [host.getNumpyData() for _, host in answers]

        return invoke


def library() -> ModuleType:
    """MNN, which writes what the processor has to standard output when it is loaded."""
    with captured_output():
        return require("MNN", MNN.extra)


def _resized(
    mnn: ModuleType, path: Path, inputs: Sequence[TensorSpec], options: RuntimeOptions
) -> tuple[Any, Any]:
    """(interpreter, session) for inputs of these shapes."""
    try:
        interpreter = mnn.Interpreter(str(path))
        session = interpreter.createSession(
            {
                "backend": "CPU",
                "numThread": options.threads,
                "precision": _PRECISION[options.precision],
            }
        )
        for spec in inputs:
            tensor = interpreter.getSessionInput(session, spec.name)
            interpreter.resizeTensor(tensor, tuple(int(size or 1) for size in spec.shape))
        interpreter.resizeSession(session)
    except Exception as error:  # MNN raises Exception itself
        raise InputError(
            f"{path.name}: MNN {mnn.version()} cannot load it: {error}",
            hint="the file is damaged, or made for another version of MNN",
        ) from error
    return interpreter, session


def _tensor(get: Callable[..., Any], session: Any, name: str) -> Any:
    """An output, None where MNN does not find it."""
    try:
        return get(session, name)
    except Exception:  # noqa: BLE001 (MNN raises Exception itself)
        return None


def _shaped(spec: TensorSpec, tensor: Any) -> TensorSpec | None:
    if tensor is None:
        return None
    shape = tuple(int(size) for size in tensor.getShape())
    return replace(spec, shape=shape, layout=guess_layout(shape, spec.dtype))


def _sizes(spec: TensorSpec | None) -> list[int]:
    return [size or 0 for size in spec.shape] if spec else []


def _spec_text(spec: TensorSpec) -> str:
    return f"{spec.name} ({', '.join(map(str, spec.shape))})"


def _reason(said: Sequence[str]) -> str:
    """The last line that reports an error."""
    lines = [line for line in said if line.strip() and not line.startswith("MNN use")]
    return shortened(lines[-1], 300) if lines else "it gives no reason"


def _host(mnn: ModuleType, like: Any, array: Array) -> Any:
    """A tensor of the host with the values of an array, laid out as `like` is."""
    kinds = {"float32": mnn.Halide_Type_Float, "int32": mnn.Halide_Type_Int,
             "int64": mnn.Halide_Type_Int64, "uint8": mnn.Halide_Type_Uint8,
             "float64": mnn.Halide_Type_Double}  # fmt: skip
    kind = kinds.get(array.dtype.name)
    if kind is None:
        raise UnsupportedError(f"MNN's Python package takes no tensors of {array.dtype}")
    shape = tuple(int(size) for size in array.shape)
    return mnn.Tensor(shape, kind, np.ascontiguousarray(array), like.getDimensionType())


def _not_computed(code: int) -> UnsupportedError:
    return UnsupportedError(
        f"MNN cannot run the model: {_CODES.get(code, 'an error')} (code {code})",
        hint="try another runtime, or another target at conversion",
    )
