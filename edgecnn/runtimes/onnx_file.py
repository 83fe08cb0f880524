"""The signature of an .onnx file; read by `formats.onnx`."""

from __future__ import annotations

from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature, Value
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs, numeric_outputs

__all__ = [
    "Signature",
    "Value",
    "declared_outputs",
    "fixed_inputs",
    "numeric_outputs",
    "read_signature",
]
