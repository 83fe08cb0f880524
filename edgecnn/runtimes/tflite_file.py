"""The signature of a .tflite file; read by `formats.tflite`."""

from __future__ import annotations

from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature
from edgecnn.runtimes.declared import fixed_inputs

__all__ = ["Signature", "fixed_inputs", "read_signature"]
