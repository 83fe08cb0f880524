"""Float `.onnx` → ncnn (`.param` and `.bin`), with pnnx.

pnnx is a program; its Python package would bring torch, which the program does not need. What it
writes is looked at before anybody loads it: it leaves layers that ncnn does not have as they
are, and stores float16 by default.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.exporters.tool import run_tool
from edgecnn.conversion.inference.crash_check import refuse_what_crashes_ncnn
from edgecnn.conversion.rewriting.onnx.for_pnnx import (
    Lookup,
    cut_lookups,
    with_even_pads,
    with_initializers,
    with_split_sizes,
    with_two_axes,
)
from edgecnn.conversion.rewriting.onnx.rare_operators import spelled_out
from edgecnn.conversion.verification.same_numbers import check_same_numbers
from edgecnn.errors import InputError, MissingDependencyError, UnsupportedError
from edgecnn.formats import ncnn as files
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature, Value
from edgecnn.formats.wire.ncnn import ARRAYS, FLOAT16_MARK, NcnnLayer
from edgecnn.isolated_environments import environments_folder
from edgecnn.registry import require
from edgecnn.runtimes.ncnn import forbid_half, refuse_missing
from edgecnn.system import scratch
from edgecnn.text import shortened

TIMEOUT_SECS = 900.0
_HINT = "a tflite or onnx target may take the model"
_LACKING = ("Softsign", "CenterCropPad")
"""Operators that neither pnnx (20261020) nor ncnn has."""
_MAY_CRASH = ("Permute", "ShuffleChannel", "Slice")
"""Layers of which ncnn (20261020) dies where the file says other sizes than it computes."""
_EXTREMES = {"ReduceMax": "4", "ReduceMin": "5"}
_AXES = re.compile(r"\baxes=(?P<axes>\([-\d,]+\)|-?\d+)")
_PADS = re.compile(r"\bpads=\((?P<pads>[-\d,]+)\)")
_PAD_MODES = {"constant": "0", "edge": "1", "reflect": "2"}
_PADDED = ((2, 3), (0, 1), (7, 8))
"""What ncnn calls what is added before and behind: of columns, rows and channels."""
_DTYPES = {"float32": "f32", "int32": "i32", "int64": "i64"}


def write_float_ncnn(onnx_path: Path, path: Path, *, half: bool = False) -> None:
    """Convert a float `.onnx` file to `path` (`.param`) and the `.bin` next to it, for batch 1.

    Inputs and outputs keep their names and layout; the file says their sizes. `half` stores
    weights as float16.

    Raises UnsupportedError, with layer and type, for what ncnn does not have, and for a model
    that pnnx makes into another one, InputError when pnnx cannot take it, MissingDependencyError
    when it is not installed.
    """
    ncnn = require("ncnn", "ncnn")
    onnx = require("onnx", "onnx")
    with scratch.folder() as folder:
        model = spelled_out(onnx.load(str(onnx_path)), _LACKING, groups=False)
        with_initializers(model)
        with_two_axes(model)
        with_even_pads(model)
        with_split_sizes(model)
        lookups = cut_lookups(model)
        onnx.save(model, str(folder / "model.onnx"))
        signature = read_signature(folder / "model.onnx")
        _run(folder, signature, half=half)
        made = folder / "model.ncnn.param"
        network = _with_own_layers(_named(_read(made), signature), folder / "model.pnnx.param")
        for lookup in lookups:
            network = _with_lookup(network, made, lookup, half=half)
        network = _with_inputs(network, [value.name for value in read_signature(onnx_path).inputs])
        refuse_missing(ncnn, "the converted model", network)
        made.write_text(network.text(), encoding="utf-8")
        if any(layer.type in _MAY_CRASH for layer in network.layers):
            refuse_what_crashes_ncnn(made)
        network = _with_outputs(network, made)
        made.write_text(network.text(), encoding="utf-8")
        check_same_numbers(onnx_path, made, "pnnx", half=half)
        shutil.copyfile(files.weights_path(made), files.weights_path(path))
        path.write_text(network.text(), encoding="utf-8")


class Blobs:
    """A float file in ncnn, for looking at what is inside of the network."""

    def __init__(self, path: Path) -> None:
        ncnn = require("ncnn", "ncnn")
        self._mat, self._net = ncnn.Mat, ncnn.Net()
        self._net.opt.lightmode = False  # blobs stay until they are read
        forbid_half(self._net.opt)
        if self._net.load_param(str(path)) or self._net.load_model(str(files.weights_path(path))):
            raise InputError(f"{path.name}: ncnn cannot load what pnnx wrote", hint=_HINT)
        self._inputs = [value.name for value in read_signature(path).inputs]

    def of(self, tensors: Sequence[npt.NDArray[Any]]) -> Callable[[str], npt.NDArray[Any]]:
        """A function that gives a blob by its name, for inputs (1, …) of one inference."""
        extractor = self._net.create_extractor()
        for name, tensor in zip(self._inputs, tensors, strict=True):
            extractor.input(name, self._mat(np.ascontiguousarray(tensor[0])).clone())

        def blob(name: str) -> npt.NDArray[Any]:
            failed, mat = extractor.extract(name)
            if failed:
                raise InputError(f"ncnn cannot compute {name!r} (code {failed})", hint=_HINT)
            return np.array(mat)

        return blob


def pnnx_path() -> Path:
    """The program: of this environment, or of an isolated one.

    Raises MissingDependencyError where it is in neither.
    """
    spec = importlib.util.find_spec("pnnx")  # finds the folder, imports nothing
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    places += (environments_folder() / "pnnx").glob("[Ll]ib*/**/site-packages/pnnx")
    for place in places:
        for name in ("pnnx", "pnnx.exe"):
            if (place / name).is_file():
                return place / name
    raise MissingDependencyError(
        "pnnx is not installed, which makes ncnn files", hint="edgecnn env create pnnx"
    )


def pnnx_version() -> str:
    """As its package has it."""
    try:
        place = pnnx_path().parent.parent
    except MissingDependencyError:
        return "not installed"
    versions = [path.name.split("-")[1] for path in place.glob("pnnx-*.dist-info")]
    return versions[0].removesuffix(".dist") if versions else "unknown"


def _run(folder: Path, signature: Signature, *, half: bool) -> None:
    """Have pnnx write model.ncnn.param and model.ncnn.bin into `folder`."""
    shapes = ",".join(_shape(value) for value in signature.inputs)
    command = [str(pnnx_path()), "model.onnx", f"inputshape={shapes}", f"fp16={int(half)}"]
    done = run_tool("pnnx", command, timeout_secs=TIMEOUT_SECS, hint=_HINT, cwd=folder)
    last = shortened(done.lines[-1], 300) if done.lines else "it said nothing"
    if crash := done.signal_name:
        raise InputError(f"pnnx crashed ({crash}); its last output: {last}", hint=_HINT)
    if done.status or not (folder / "model.ncnn.param").is_file():
        raise InputError(f"pnnx failed: {last}", hint=_HINT)


def _shape(value: Value) -> str:
    """As in [1,28,28,1]f32; the batch is 1."""
    dtype = _DTYPES.get(value.dtype)
    if dtype is None:
        raise UnsupportedError(
            f"input {value.name!r} takes {value.dtype}, ncnn takes {', '.join(_DTYPES)}",
            hint=_HINT,
        )
    return f"[{','.join(map(str, _sizes(value)))}]{dtype}"


def _sizes(value: Value) -> tuple[int, ...]:
    """Fixed sizes, 1 in place of the batch. Raises InputError for another open size."""
    _, *rest = value.shape or (1,)
    sizes = [size for size in rest if isinstance(size, int) and size > 0]
    if len(sizes) != len(rest):
        raise InputError(
            f"input {value.name!r} has open sizes, ncnn files need fixed ones",
            hint="pass them at conversion: --shape",
        )
    return (1, *sizes)


def _read(path: Path) -> files.Network:
    try:
        return files.read(path)
    except ValueError as error:
        raise InputError(f"pnnx wrote a file that is not whole ({error})", hint=_HINT) from error


def _named(network: files.Network, signature: Signature) -> files.Network:
    """With the model's own names for what pnnx calls in0, out0 …, and the sizes of the inputs."""
    values = {f"in{index}": value for index, value in enumerate(signature.inputs)}
    count = len(signature.outputs)
    wanted = {
        **{name: value.name for name, value in values.items()},
        **{f"out{index}": value.name for index, value in enumerate(signature.outputs)},
    }
    blobs = {layer.outputs[0] for layer in network.inputs}
    blobs |= {layer.outputs[number] for layer, number in network.outputs}
    if blobs != set(wanted):
        odd = ", ".join(sorted(blobs ^ set(wanted)))
        raise UnsupportedError(
            f"pnnx gives the model other inputs or outputs than it has ({odd})", hint=_HINT
        )
    names = _words(wanted, {name for layer in network.layers for name in layer.outputs})
    layers = []
    for layer in network.layers:
        sizes = {}
        if layer.type == "Input":
            sizes = files.input_hint(_sizes(values[layer.outputs[0]]))
        layers.append(
            replace(
                layer,
                inputs=tuple(names.get(name, name) for name in layer.inputs),
                outputs=tuple(names.get(name, name) for name in layer.outputs),
                parameters={**sizes, **layer.parameters},
            )
        )
    return _in_order(files.Network(tuple(layers)), [names[f"out{i}"] for i in range(count)])


def _in_order(network: files.Network, names: Sequence[str]) -> files.Network:
    """With the outputs in this order, which is that of their layers in the file."""
    outputs = [layer.outputs[number] for layer, number in network.outputs]
    if outputs == list(names):
        return network
    moved = {name: f"{name}_unordered" for name in names}
    layers = [
        replace(layer, outputs=tuple(moved.get(name, name) for name in layer.outputs))
        for layer in network.layers
    ]
    passed = [NcnnLayer("Noop", f"{name}_ordered", (moved[name],), (name,)) for name in names]
    return files.Network((*layers, *passed))


def _with_own_layers(network: files.Network, described: Path) -> files.Network:
    """With ncnn's own layers for what pnnx leaves as it is: the largest and the smallest value
    along axes, and padding. What it knows of them stands in its other file, where the batch is
    axis 0.
    """
    text = described.read_text(encoding="utf-8", errors="replace")
    descriptions = {line.split()[1]: line for line in text.splitlines() if len(line.split()) > 2}
    layers = [
        _padding(
            _reduction(layer, descriptions.get(layer.name, "")), descriptions.get(layer.name, "")
        )
        for layer in network.layers
    ]
    return files.Network(tuple(layers))


def _padding(layer: NcnnLayer, description: str) -> NcnnLayer:
    """ncnn's layer for a padding of up to three axes behind the batch."""
    match = _PADS.search(description)
    if layer.type != "Pad" or not match:
        return layer
    pads = [int(pad) for pad in match["pads"].split(",")]
    rank = len(pads) // 2
    begins, ends = pads[1:rank], pads[rank + 1 :]
    mode = _PAD_MODES.get(_word(description, "mode") or "constant")
    if pads[0] or pads[rank] or min(pads) < 0 or not 1 <= rank - 1 <= 3 or mode is None:
        return layer
    numbers = {4: mode, 5: _word(description, "value") or "0"}
    added = zip(begins[::-1], ends[::-1], strict=True)
    for (before, behind), (first, last) in zip(_PADDED, added, strict=False):
        numbers |= {before: str(first), behind: str(last)}
    return replace(layer, type="Padding", parameters=dict(sorted(numbers.items())))


def _word(description: str, key: str) -> str:
    match = re.search(rf"\b{key}=(\S+)", description)
    return match[1] if match else ""


def _reduction(layer: NcnnLayer, description: str) -> NcnnLayer:
    match = _AXES.search(description)
    if layer.type not in _EXTREMES or not match:
        return layer
    axes = [int(axis) for axis in re.findall(r"-?\d+", match["axes"])]
    if not axes or 0 in axes:
        return layer
    moved = ",".join(str(axis - 1 if axis > 0 else axis) for axis in axes)
    keeps = "0" if "keepdims=0" in description else "1"
    numbers = {0: _EXTREMES[layer.type], 1: "0", 4: keeps, 5: "1"}
    return replace(
        layer, type="Reduction", parameters={**numbers, ARRAYS - 3: f"{len(axes)},{moved}"}
    )


def _with_lookup(
    network: files.Network, path: Path, lookup: Lookup, *, half: bool
) -> files.Network:
    """With an input of ids and a layer that looks up their rows, in place of the input of rows.

    The table goes to the front of the weights.
    """
    rows, width = lookup.table.shape
    index, old = next(
        (index, layer)
        for index, layer in enumerate(network.layers)
        if layer.type == "Input" and layer.outputs == (lookup.rows,)
    )
    length = old.integer(1)  # of a matrix (length, width)
    ids = NcnnLayer(
        "Input", f"{lookup.name}_ids", (), (lookup.name,), files.input_hint((1, length))
    )
    sizes = {0: width, 1: rows, 2: 0, 3: rows * width}
    embed = NcnnLayer(
        "Embed", f"{lookup.name}_lookup", (lookup.name,), (lookup.rows,),
        {number: str(size) for number, size in sizes.items()},
    )  # fmt: skip
    weights = files.weights_path(path)
    values = lookup.table.astype("<f2" if half else "<f4").tobytes()
    mark = struct.pack("<I", FLOAT16_MARK if half else 0)
    weights.write_bytes(mark + values + bytes(-len(values) % 4) + weights.read_bytes())
    others = [layer for number, layer in enumerate(network.layers) if number != index]
    inputs = [layer for layer in others if layer.type == "Input"]
    return files.Network(
        (*inputs, ids, embed, *(layer for layer in others if layer.type != "Input"))
    )


def _with_inputs(network: files.Network, names: Sequence[str]) -> files.Network:
    """With the inputs in this order; they have no weights, and may be moved."""
    places = {name: place for place, name in enumerate(names)}
    first = sorted(network.inputs, key=lambda layer: places.get(layer.outputs[0], len(names)))
    return files.Network((*first, *(one for one in network.layers if one.type != "Input")))


def _words(wanted: dict[str, str], taken: set[str]) -> dict[str, str]:
    """Names that a text of words can hold, and that no other blob has."""
    names: dict[str, str] = {}
    for old, new in wanted.items():
        name = re.sub(r"\s", "_", new)
        free = name and name not in taken - {old} and name not in names.values()
        names[old] = name if free else old
    return names


def try_out(path: Path) -> dict[str, tuple[int, ...]]:
    """The sizes of the outputs by their names, as ncnn answers zeros."""
    network = files.read(path)
    inputs = files.signature_of(network).inputs
    blob = Blobs(path).of([np.zeros(_sizes(value), value.dtype) for value in inputs])
    names = [layer.outputs[number] for layer, number in network.outputs]
    return {name: (1, *blob(name).shape) for name in names}


def _with_outputs(network: files.Network, path: Path) -> files.Network:
    """With the sizes of the outputs, as ncnn answers zeros."""
    shapes = try_out(path)
    return files.Network(tuple(_hinted(layer, shapes) for layer in network.layers))


def _hinted(layer: NcnnLayer, shapes: dict[str, tuple[int, ...]]) -> NcnnLayer:
    if not set(layer.outputs) <= set(shapes):  # a hint is of all outputs of a layer
        return layer
    hint = files.output_hint([shapes[name] for name in layer.outputs])
    return replace(layer, parameters={**layer.parameters, **hint})
