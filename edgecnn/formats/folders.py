"""Errors for folders given as model files, with what to pass instead."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from edgecnn.formats.contents import convert_command
from edgecnn.formats.kinds import Content, known_suffixes

_LOOKED_AT = 2_000
"""Entries of a folder before we stop looking."""


def describe_folder(path: Path) -> Content:
    """What a folder is. Raises OSError where it may not be read."""
    names = {entry.name for entry in islice(path.iterdir(), _LOOKED_AT)}
    core_ml = "Manifest.json" in names and path.suffix.lower() == ".mlpackage"
    torch = any(entry.endswith((".safetensors", "pytorch_model.bin")) for entry in names)
    checkpoint = "checkpoint" in names or any(entry.endswith(".ckpt.index") for entry in names)
    cases = (
        (
            names & {"saved_model.pb", "saved_model.pbtxt"},
            "a TensorFlow SavedModel",
            f"convert it: {convert_command(path)}",
        ),
        (core_ml, "a Core ML package", "export the network it was made from to ONNX or TFLite"),
        (
            {"config.json", "model.weights.h5"} <= names,
            "an unpacked .keras archive",
            f"convert it: {convert_command(path)}",
        ),
        (
            "model.json" in names,
            "a TensorFlow.js model",
            "convert the Keras model or SavedModel that it was made from",
        ),
        (torch, "weights of PyTorch", "export the network to ONNX from PyTorch"),
        (checkpoint, "a TensorFlow checkpoint", "load it in Keras and save() it as .keras"),
    )
    for applies, what, hint in cases:
        if applies:
            return Content("", what, hint)
    endings = known_suffixes()
    models = sorted(entry for entry in names if Path(entry).suffix.lower() in endings)
    examples = ", ".join(models[:3]) if models else f"one that ends in {', '.join(endings)}"
    return Content("", "", f"pass a file inside it: {examples}")
