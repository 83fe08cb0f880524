"""`.onnx` → `.tflite`, with onnx2tf's direct writer in an environment of its own.

onnx2tf needs Python 3.12 and pins each of its dependencies, so that it never shares an
environment with edgecnn. It is started as a process, on a float32 file with fixed sizes; nothing
is installed here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import isolated_environments
from edgecnn.conversion.boundary import converter
from edgecnn.conversion.rewriting.onnx import grouped_signals
from edgecnn.conversion.rewriting.onnx import plain_form as onnx_form
from edgecnn.conversion.rewriting.onnx.rare_operators import spelled_out
from edgecnn.conversion.rewriting.tflite import plain_form as tflite_form
from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.synthetic_inputs import channels_last
from edgecnn.system import scratch
from edgecnn.text import shortened

if TYPE_CHECKING:
    from edgecnn.conversion.sources.files import FileSource

ENVIRONMENT = "onnx2tf"
TIMEOUT_SECS = 1800.0
_HINT = "the model uses an operation that onnx2tf does not know; an onnx target may take it"
_WORKER = Path(__file__).with_name("onnx2tf_worker.py")
_NOT_THERE = ("NotImplementedError", "NodeValidationError")
"""What onnx2tf raises for an operator that it does not write; it names the layer."""
_AXES_AS_INPUTS = 13
"""The opset from which on Unsqueeze and Squeeze take their axes as an input."""
_CHANNELS_FIRST = ("NCL", "NCHW", "NCDHW")


def write(source: FileSource, path: Path) -> None:
    """Write a file with batch 1 (or the batch that the ONNX file fixes), channels last.

    Raises MissingDependencyError without the environment, with the command that creates it, and
    UnsupportedError for operators that onnx2tf does not know, with their layers.
    """
    python = python_of_onnx2tf()
    with scratch.folder() as folder:
        fixed = folder / "fixed.onnx"
        _write_fixed(source, fixed)
        first = [spec.name for spec in source.session.inputs if spec.layout in _CHANNELS_FIRST]
        made = _run(
            python,
            {
                "model": str(fixed),
                "folder": str(folder / "made"),
                "keep": [spec.name for spec in source.session.inputs if spec.name not in first],
            },
        )
        path.write_bytes(_finished(made.read_bytes(), source, _layers(fixed)))


def check(source: FileSource) -> None:  # noqa: ARG001 (only where it can be made at all)
    """Raise MissingDependencyError without the environment."""
    python_of_onnx2tf()


def python_of_onnx2tf() -> Path:
    """The environment's Python. Raises MissingDependencyError where it is not there."""
    python = isolated_environments.python_of(ENVIRONMENT)
    if python is not None:
        return python
    try:
        isolated_environments.find_python(ENVIRONMENT)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"ONNX → TFLite is written by onnx2tf, which {error.message}",
            hint=f"{error.hint}, then: edgecnn env create {ENVIRONMENT}",
        ) from error
    raise MissingDependencyError(
        "ONNX → TFLite is written by onnx2tf, in an isolated environment that is not created",
        hint=f"edgecnn env create {ENVIRONMENT}",
    )


def _write_fixed(source: FileSource, path: Path) -> None:
    """The float file with every size fixed, the batch included."""
    import onnx

    source.write_float_graph(path)
    with converter("onnx"):
        model = onnx.load(str(path))
        onnx_form.with_sizes(model, source.session.inputs, keep_batch=False)
        model = spelled_out(model)
        if onnx_form.opset_of(model) >= _AXES_AS_INPUTS:
            grouped_signals.with_rows(model)
        onnx_form.save(model, path)


def _run(python: Path, request: dict[str, Any]) -> Path:
    """Start the worker; returns the file that it wrote."""
    try:
        done = subprocess.run(
            [str(python), "-I", str(_WORKER)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECS,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"onnx2tf did not finish within {TIMEOUT_SECS:.0f} s") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = said[-1] if said else f"it ended with code {done.returncode}"
        raise InputError(f"onnx2tf failed: {shortened(why, 300)}", hint=_HINT) from None
    if "error" in answer:
        reason = shortened(str(answer["error"]), 600)
        kind = UnsupportedError if reason.startswith(_NOT_THERE) else InputError
        raise kind(f"onnx2tf failed: {reason}", hint=_HINT)
    return Path(str(answer["file"]))


def _layers(path: Path) -> dict[str, str]:
    """What an ONNX file's nodes are called, by the tensors that they make: "Det (layer 'x')"."""
    import onnx

    nodes = onnx.load(str(path), load_external_data=False).graph.node
    return {
        output: f"{node.op_type} (layer {(node.name or output)!r})"
        for node in nodes
        for output in node.output
    }


def _finished(content: bytes, source: FileSource, layers: Mapping[str, str]) -> bytes:
    """The file with the names of the ONNX file in its order.

    Raises InputError where inputs or outputs are not those of the ONNX file, UnsupportedError
    for operators that were written as custom ones, which no runtime has.
    """
    with converter("onnx2tf's file"):
        model = tflite_form.read(content)
        if custom := tflite_form.custom_operators(model):
            missing = ", ".join(
                layers.get(layer, f"{name} (layer {layer!r})")
                for name, layer in list(custom.items())[:3]
            )
            raise UnsupportedError(f"TFLite has no {missing}", hint=_HINT)
        graph = model.subgraphs[0]
        graph.inputs = _ordered(graph, graph.inputs, source.session.inputs)
        graph.outputs = _ordered(graph, graph.outputs, source.session.outputs)
        tflite_form.with_dense_layers(model)
        tflite_form.with_signature(
            model,
            tflite_form.unique_names(source.session.inputs, "input"),
            tflite_form.unique_names(source.session.outputs, "output"),
        )
        _check_inputs(graph, source)
        return tflite_form.written(model)


def _ordered(graph: Any, places: Sequence[int], specs: Sequence[TensorSpec]) -> list[int]:
    """The places in the order of `specs`, by the names of their tensors."""
    names = {tflite_form.text(graph.tensors[int(place)].name): int(place) for place in places}
    if set(names) == {spec.name for spec in specs}:
        return [names[spec.name] for spec in specs]
    return [int(place) for place in places]


def _check_inputs(graph: Any, source: FileSource) -> None:
    shapes = [
        tuple(int(size) for size in graph.tensors[int(place)].shape) for place in graph.inputs
    ]
    wanted = [channels_last(spec) for spec in source.session.inputs]
    if shapes != wanted:
        raise UnsupportedError(
            f"onnx2tf writes a file that takes {shapes} where the model, channels last, takes "
            f"{wanted}",
            hint="an onnx target may take the model",
        )
