"""Shorten ONNX Runtime's loading errors to one line."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from edgecnn.errors import EdgeCNNError, InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature
from edgecnn.text import shortened

LONGEST = 600
_NEWEST_OPSET = re.compile(r"support for domain (\S+) is till opset (\d+)")
_NEWEST_IR = re.compile(r"max supported IR version: (\d+)")
_NO_KERNEL = re.compile(r"Could not find an implementation for (\w+)\((\d+)\)")
_UNKNOWN = re.compile(
    r"No Op registered for (\w+)|([\w.:]+)(?:\(-?\d+\))? is not a registered function"
)
_LATER = 10_000
"""A version that no release will have."""


def explained(ort: ModuleType, path: Path, error: Exception) -> EdgeCNNError:
    """The error for a model that `ort.InferenceSession` refused."""
    name = f"ONNX Runtime {ort.__version__}"
    said = one_line(error)
    signature = read_signature(path)
    newer = _too_new(ort, signature)
    if newer:
        opset = newest_opset(ort)
        return UnsupportedError(
            f"{path.name} is too new for {name}: the file has {signature.versions}; "
            f"{name} reads up to {newer}",
            hint=f"export it with opset {opset or 'that'} or lower, or install a newer onnxruntime",
        )
    if "external tensors" in said:
        return UnsupportedError(
            f"{path.name}: {name} reads no shapes from a second file: {said}",
            hint="keep small tensors in the model: onnx.save(onnx.load(MODEL), NEW), or with "
            "size_threshold=1024 where the weights stay outside",
        )
    if missing := (_NO_KERNEL.search(said) or _UNKNOWN.search(said)):
        operator = next(part for part in missing.groups() if part)
        return UnsupportedError(
            f"{path.name}: {name} does not run the operator {operator}: {said} "
            f"(the file has {signature.versions})",
            hint=f"convert the model without {operator}, or with another opset"
            + _of_other_floats(signature),
        )
    if isinstance(error, _classes("InvalidProtobuf", "InvalidGraph", "InvalidArgument")):
        return InputError(
            f"{path.name}: not a model {name} can load: {said} (the file has {signature.versions})",
            hint="the file is damaged, or the converter wrote an invalid graph",
        )
    return UnsupportedError(
        f"{path.name}: {name} cannot run it: {said} (the file has {signature.versions})",
        hint="a newer onnxruntime, or another opset at conversion, may help",
    )


def _of_other_floats(signature: Signature) -> str:
    """What to add for a model of floats that few operators have kernels for."""
    kinds = {value.dtype for value in (*signature.inputs, *signature.outputs)}
    odd = sorted(kinds & {"float64", "bfloat16"})
    return f"; in float32 instead of {odd[0]} it may run (edgecnn convert)" if odd else ""


def failures() -> tuple[type[Exception], ...]:
    """What loading raises."""
    return _classes(
        *("NotImplemented", "Fail", "EPFail", "RuntimeException"),
        *("InvalidProtobuf", "InvalidGraph", "InvalidArgument", "NoSuchFile"),
    )


def running_failures() -> tuple[type[Exception], ...]:
    """What running raises: with bound inputs a plain RuntimeError."""
    return (*failures(), RuntimeError)


def one_line(error: Exception) -> str:
    """Without status code, path, and the place in ONNX Runtime's source."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = text.removeprefix("Error in execution: ")
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = re.sub(r"/\S+\.(cc|h):\d+ .*?\) (?=[A-Z'\"(])", "", text)
    return shortened(text, LONGEST)


def newest_opset(ort: ModuleType) -> int | None:
    """The newest opset of ai.onnx that this ONNX Runtime reads, as it says itself."""
    match = _NEWEST_OPSET.search(_refusal(ort, ir=8, opset=_LATER))
    return int(match[2]) if match else None


def newest_ir(ort: ModuleType) -> int | None:
    """The newest IR version that this ONNX Runtime reads, as it says itself."""
    match = _NEWEST_IR.search(_refusal(ort, ir=_LATER, opset=8))
    return int(match[1]) if match else None


def _too_new(ort: ModuleType, signature: Signature) -> str:
    """What it reads, where the file needs more; empty where the versions are not the reason."""
    ir, opset = newest_ir(ort), newest_opset(ort)
    over_ir = ir is not None and (signature.ir_version or 0) > ir
    over_opset = opset is not None and signature.opsets.get("ai.onnx", 0) > opset
    if not over_ir and not over_opset:
        return ""
    return f"IR {ir or '?'}, opset {opset or '?'}"


def _refusal(ort: ModuleType, *, ir: int, opset: int) -> str:
    """What it says of an empty model of these versions: the only place that states its limits."""

    def varint(value: int) -> bytes:
        return bytes([value & 0x7F | 0x80, *varint(value >> 7)]) if value > 0x7F else bytes([value])

    version = b"\x10" + varint(opset)
    model = b"\x08" + varint(ir) + b"\x3a\x03\x12\x01g" + b"\x42" + varint(len(version)) + version
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except failures() as error:
        return str(error)
    return ""


def _classes(*names: str) -> tuple[Any, ...]:
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(getattr(state, name) for name in names)
