"""A `.tflite` file as a source: its reference is LiteRT."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.inference.run import batch_of_file
from edgecnn.conversion.rewriting.tflite import plain_form
from edgecnn.conversion.sources import Opened, OpenOptions
from edgecnn.conversion.sources.files import (
    DEQUANTIZED,
    FLOATS,
    FileSource,
    ask_sizes,
    file_source,
    is_open,
)
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.recipes import recipe_in
from edgecnn.manifest import check_model_path
from edgecnn.registry import require
from edgecnn.runtimes import load
from edgecnn.runtimes.base import Session

_FLEX = "Flex"


def open_model(given: Path, options: OpenOptions) -> Opened:
    """See `sources.open_source`."""
    source = open_file(given, shape=options.shape)
    return Opened(source, load_artifact(given).manifest)


def open_file(path: Path, *, shape: str = "") -> FileSource:
    """Load a file with the sizes that `shape` gives.

    Raises InputError for a file that is not a model and for sizes that stay open, UnsupportedError
    where LiteRT does not run it, with its custom operators and TensorFlow's own by name.
    """
    require("ai_edge_litert", "convert")
    path = check_model_path(path)
    ask_sizes(path, shape)
    try:
        session = load(path, "litert:cpu", batch=batch_of_file(path), shape=shape)
    except UnsupportedError as error:
        raise _with_operators(error, path) from error

    held = recipe_in(path)

    def write_float_graph(target: Path, *, real: bool = False) -> None:
        with converter("the TFLite file's rewriting", "the file is damaged, or above 2 GiB"):
            model = plain_form.read(path.read_bytes())
            if _has_open(path):
                plain_form.with_sizes(model, _allocated(path, session))
            plain_form.with_float32_weights(model)
            if real or held in FLOATS:
                plain_form.with_real_weights(model)
            plain_form.with_signature(
                model,
                plain_form.unique_names(session.inputs, "input"),
                plain_form.unique_names(session.outputs, "output"),
            )
            target.write_bytes(plain_form.written(model))

    return file_source(
        path,
        session,
        file_format="tflite",
        shape=shape,
        held=held,
        write_float_graph=write_float_graph,
        write_dequantized_graph=partial(write_float_graph, real=True)
        if held in DEQUANTIZED["tflite"]
        else None,
    )


def _has_open(path: Path) -> bool:
    signature = read_signature(path)
    return any(is_open(size) for value in signature.inputs for size in value.shape or ())


def _allocated(path: Path, session: Session) -> dict[int, tuple[int, ...]]:
    """The sizes of the main graph's tensors, by their number, for the inputs of the session.

    Without delegates: tensors inside of what a delegate runs keep the sizes that the file has.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for entry, spec in zip(interpreter.get_input_details(), session.inputs, strict=True):
        interpreter.resize_tensor_input(entry["index"], [int(size or 1) for size in spec.shape])
    interpreter.allocate_tensors()
    return {
        int(entry["index"]): tuple(int(size) for size in entry["shape"])
        for entry in interpreter.get_tensor_details()
    }


def _with_operators(error: UnsupportedError, path: Path) -> UnsupportedError:
    """The error with the operators that are not part of TFLite, and a layer of each."""
    try:
        custom = plain_form.custom_operators(plain_form.read(path.read_bytes()))
    except (ValueError, IndexError, TypeError, AttributeError):
        return error
    if not custom:
        return error
    listing = ", ".join(f"{name} (layer {layer!r})" for name, layer in sorted(custom.items()))
    flex = any(name.startswith(_FLEX) for name in custom)
    hint = (
        "convert the original without TensorFlow's own operators (no SELECT_TF_OPS)"
        if flex
        else "convert the original without custom operators, or to onnx from its own framework"
    )
    kind = "TensorFlow's own operators" if flex else "custom operators"
    return UnsupportedError(f"{path.name} needs {kind}: {listing}; {error.message}", hint=hint)
