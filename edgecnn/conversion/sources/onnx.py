"""An `.onnx` file as a source: its reference is ONNX Runtime.

What ONNX Runtime would refuse for its version alone is lowered first, and that is said.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.run import batch_of_file
from edgecnn.conversion.rewriting.onnx import plain_form
from edgecnn.conversion.rewriting.onnx.dequantization import dequantize
from edgecnn.conversion.sources import Opened, OpenOptions
from edgecnn.conversion.sources.files import DEQUANTIZED, FileSource, ask_sizes, file_source
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.recipes import recipe_in
from edgecnn.manifest import check_model_path
from edgecnn.registry import require
from edgecnn.runtimes import load
from edgecnn.runtimes.base import Session
from edgecnn.runtimes.declared import declared_outputs
from edgecnn.runtimes.onnxruntime.errors import newest_ir, newest_opset
from edgecnn.system import scratch

RUNTIME = "onnxruntime:cpu"
_MOST_NAMED = 3
_HALF = "bfloat16"
_OLD = 13
"""Files of older opsets may hold operators that ONNX Runtime has in later versions only."""


def open_model(given: Path, options: OpenOptions) -> Opened:
    """See `sources.open_source`."""
    source = open_file(given, shape=options.shape)
    return Opened(source, load_artifact(given).manifest)


def open_file(path: Path, *, shape: str = "") -> FileSource:
    """Load a file, its weights in other files included.

    Raises InputError for a file that is not a model and for sizes that stay open, UnsupportedError
    where ONNX Runtime does not run it, with the operator and the layer.
    """
    onnx = require("onnx", "convert")
    runtime = require("onnxruntime", "onnx")
    from onnx import inliner

    path = check_model_path(path)
    ask_sizes(path, shape)
    signature = read_signature(path)
    is_half = any(value.dtype == _HALF for value in (*signature.inputs, *signature.outputs))
    if not is_half:
        declared_outputs(signature)  # which says why dictionaries cannot be converted
    with converter("onnx", "the file is damaged, or larger than a protocol buffer may be (2 GiB)"):
        model = onnx.load(str(path))
        if model.functions:  # which ONNX Runtime alone knows
            model = inliner.inline_local_functions(model)
    plain_form.without_listed_weights(model)
    with converter("onnx", "the file is damaged"):
        plain_form.with_dense_weights(model)
    model, notes = plain_form.lowered(
        model,
        ir=newest_ir(runtime),
        opset=newest_opset(runtime),
        runtime=f"ONNX Runtime {runtime.__version__}",
    )
    held = _HALF if is_half else recipe_in(path)
    if is_half:
        plain_form.to_float32(model, held)
        notes = (*notes, f"its inputs or outputs are {held}: converted and compared in float32")
    try:
        session = _loaded(model, shape) if notes else _load(path, shape)
    except UnsupportedError as error:
        model, note = _helped(model, held, error)
        session = _loaded(model, shape)
        notes = (*notes, note)

    def write_float_graph(target: Path) -> None:
        twin = plain_form.copied(model)
        with converter("onnx"):
            plain_form.to_float32(twin, held)
            if held in DEQUANTIZED["onnx"]:
                dequantize(twin)
            else:
                twin = _without_pairs(twin)
            plain_form.with_sizes(twin, session.inputs, keep_batch=True)
            plain_form.save(twin, target)

    return file_source(
        path,
        session,
        file_format="onnx",
        shape=shape,
        held=held,
        write_float_graph=write_float_graph,
        notes=notes,
    )


def _without_pairs(model: Any) -> Any:
    """A float model without the few layers that are quantized, where these have a float form."""
    other = plain_form.copied(model)
    try:
        dequantize(other)
    except UnsupportedError:
        return model
    return other


def _helped(model: Any, held: str, error: UnsupportedError) -> tuple[Any, str]:
    """(a model that means the same and may run, what is said of it) for one that does not run:
    weights in other files come into one, an old opset is raised, bfloat16 and float64 become
    float32. Raises the error where none of these is the case.
    """
    if "external tensors" in error.message:
        return model, "ONNX Runtime reads no shapes from a second file: put into one"
    opset = plain_form.opset_of(model)
    if opset < _OLD:
        try:
            raised = plain_form.with_opset(model, _OLD, why="ONNX Runtime runs it from there")
        except UnsupportedError:
            raise _with_layer(error, model) from error
        return raised, f"the file has opset {opset}, which ONNX Runtime only runs in part: raised"
    if held not in (_HALF, "float64"):
        raise _with_layer(error, model) from error
    plain_form.to_float32(model, held)
    return model, f"ONNX Runtime does not compute all of it in {held}: compared in float32"


def _loaded(model: Any, shape: str) -> Session:
    """A session on a model that was changed. It reads the file while it loads, and never again."""
    with scratch.folder() as folder:
        path = folder / "changed.onnx"
        plain_form.save(model, path)
        return _load(path, shape)


def _load(path: Path, shape: str) -> Session:
    return load(path, RUNTIME, batch=batch_of_file(path), shape=shape)


def _with_layer(error: UnsupportedError, model: Any) -> UnsupportedError:
    """The error with the names of the nodes whose operator it names."""
    words = set(re.findall(r"\w+", error.message))
    named = [
        node.name or (node.output[0] if node.output else "")
        for node in model.graph.node
        if node.op_type in words
    ]
    if not named:
        return error
    listing = ", ".join(repr(name) for name in named[:_MOST_NAMED])
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return UnsupportedError(f"{error.message} (layer {listing}{more})", hint=error.hint)
