"""Float `.onnx` → `.mnn`, with MNN's own converter and quantizer.

Both are called in the compiled module `_tools`, in a process of its own: MNN's scripts
`mnnconvert` and `mnnquant`, and the import of `MNN.tools` alone, install a logging package with
pip and contact a server; and the converter ends its process on some models (3.6.1: 3-D pooling
whose pads are not said, see `_with_stated_windows`).
It also reports success for a file that holds nothing but the input (a static int8 `.onnx`), so
that what it wrote is checked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgecnn.conversion.exporters.tool import run_tool
from edgecnn.conversion.rewriting.onnx.rare_operators import spelled_out
from edgecnn.conversion.verification.same_numbers import check_same_numbers
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import check_model_path, read_signature
from edgecnn.registry import require
from edgecnn.runtimes.mnn import library
from edgecnn.system import scratch
from edgecnn.text import shortened

CALIBRATION_RULE = "KL divergence"
METHODS = {"KL": CALIBRATION_RULE, "ADMM": "ADMM"}
"""How it chooses ranges, the best first: on some models (3.6.1: global pooling) KL crashes."""
_AT_ONCE = 64
"""Samples that ADMM takes, in one batch."""
MOST_VALUES = 16_000_000
"""Numbers that are written for the quantizer, which reads them as text."""
TIMEOUT_SECS = 1800.0
_HINT = "a tflite or onnx target may take the model"
_LACKING = (
    "Mish", "Shrink", "CenterCropPad", "AffineGrid", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip
"""Operators that its converter (3.6.1) does not have, and reductions whose axes it does not see
since they are an input (opset 18)."""
_ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Pow")
_CALL = """
import json, sys
import _tools
name, arguments = json.loads(sys.argv[1])
getattr(_tools, name)([name, *arguments])
"""


class _CrashError(InputError):
    """One of MNN's tools ended without an answer."""


Values = npt.NDArray[Any]


def write_float_mnn(onnx_path: Path, path: Path, *, half: bool = False) -> None:
    """Convert a float `.onnx` file; inputs keep their names and layout. `half` stores weights as
    float16.

    Raises InputError when the converter cannot take the model, UnsupportedError for one that it
    makes into another one.
    """
    library()
    onnx = require("onnx", "onnx")
    with scratch.folder() as folder:
        model = spelled_out(onnx.load(str(onnx_path)), _LACKING, norms=False)
        del model.metadata_props[:]  # it would keep another file's manifest
        _with_stated_windows(model)
        _with_scalars(model)
        onnx.save(model, str(folder / "model.onnx"))
        made = folder / "model.mnn"
        options = ["--fp16"] if half else []
        said = _run(
            "mnnconvert",
            [
                *("-f", "ONNX", "--modelFile", str(folder / "model.onnx")),
                *("--MNNModel", str(made), "--bizCode", "edgecnn", *options),
            ],
        )
        _check(made, "mnnconvert", said)
        check_same_numbers(onnx_path, made, "mnnconvert", half=half)
        path.write_bytes(made.read_bytes())


def _with_stated_windows(model: Any) -> None:
    """Say kernel, strides, dilations and pads of 3-D layers in numbers.

    MNN's converter (3.6.1) takes no defaults for them: where the ONNX file leaves them out, or has
    `auto_pad`, its file has none, and laying out pooling reads from an address that is not there
    and ends the process. Layers of two dimensions have defaults.
    """
    from onnx import helper

    shapes = _shapes(model)
    for node in model.graph.node:
        known = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        pools = node.op_type in ("MaxPool", "AveragePool")
        if not pools and node.op_type != "Conv":
            continue
        kernel = known["kernel_shape"] if pools else shapes.get(node.input[1], ())[2:]
        rank = len(kernel)
        if rank != 3 or not all(kernel):
            continue
        window = {
            "kernel_shape": list(kernel),
            "strides": list(known.get("strides", [1] * rank)),
            "dilations": list(known.get("dilations", [1] * rank)),
        }
        pads = _pads(known, window, shapes.get(node.input[0], ())[2:])
        if pads is None:
            continue
        if pools and set(window["dilations"]) == {1}:
            del window["dilations"]
        window["pads"] = pads
        kept = [each for each in node.attribute if each.name not in (*window, "auto_pad")]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(helper.make_attribute(key, each) for key, each in window.items())


def _pads(
    known: Mapping[str, Any], window: Mapping[str, list[int]], sizes: Sequence[int]
) -> list[int] | None:
    """Begins, then ends; None where sizes decide that nobody knows."""
    rank = len(window["strides"])
    way = known.get("auto_pad", b"NOTSET")
    if way not in (b"SAME_UPPER", b"SAME_LOWER"):
        return list(known.get("pads", [0] * 2 * rank))
    if len(sizes) != rank or not all(sizes):
        return None
    whole = [
        max((-(-size // step) - 1) * step + (width - 1) * apart + 1 - size, 0)
        for size, step, width, apart in zip(
            sizes, window["strides"], window["kernel_shape"], window["dilations"], strict=True
        )
    ]
    less, more = [each // 2 for each in whole], [each - each // 2 for each in whole]
    return less + more if way == b"SAME_UPPER" else more + less


def _with_scalars(model: Any) -> None:
    """Make constants of one value scalars where they are added, multiplied and so on.

    MNN's converter (3.6.1) subtracts in the wrong order where a constant (1, 1, 1, 1) stands first,
    as in the exact GELU of a network with channels last.
    """
    from onnx import numpy_helper

    shapes = _shapes(model)
    single = {
        each.name: each
        for each in model.graph.initializer
        if each.dims and all(size == 1 for size in each.dims)
    }
    made = {}
    for node in model.graph.node:
        if node.op_type not in _ELEMENTWISE:
            continue
        for place, name in enumerate(node.input):
            other = shapes.get(node.input[1 - place], ())
            if name in single and len(other) >= len(single[name].dims):
                node.input[place] = f"{name}_alone"
                made[f"{name}_alone"] = numpy_helper.to_array(single[name]).reshape(())
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in made.items()
    )


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The sizes of tensors by name, 0 for those that are open."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: tuple(
            int(dimension.dim_value) for dimension in value.type.tensor_type.shape.dim
        )
        for value in (*graph.input, *graph.value_info)
    } | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def quantize_mnn(
    float_path: Path, path: Path, samples: Iterable[Sequence[Values]]
) -> tuple[int, str]:
    """Write a static int8 file from a float one; returns how many samples calibrated it, and how.

    `samples` holds inputs (1, …) for one inference each, in the file's order and layout; as many
    are used as fit into MOST_VALUES numbers, one at least.

    Raises InputError when the quantizer cannot take the model, UnsupportedError for one without
    anything that it quantizes.
    """
    library()
    names = [value.name for value in read_signature(float_path).inputs]
    if any("/" in name for name in names):
        raise UnsupportedError(
            f"MNN's quantizer reads files called after the inputs, which {names[0]!r} cannot name",
            hint="mnn:float32 keeps the model as it is",
        )
    with scratch.folder() as folder:
        data = folder / "samples"
        count = 0
        shapes: list[tuple[int, ...]] = []
        for tensors in samples:
            shapes = [tensor.shape for tensor in tensors]
            _write_sample(data / f"{count:06}", names, tensors)
            count += 1
            if (count + 1) * sum(tensor.size for tensor in tensors) > MOST_VALUES:
                break
        if not count:
            raise InputError("no samples to calibrate with")
        configuration = {
            "path": f"{data}/",
            "used_sample_num": count,
            "weight_quantize_method": "MAX_ABS",
            "feature_clamp_value": 127,
            "weight_clamp_value": 127,
            "quant_bits": 8,
            "input_type": "sequence",
            "inputs": _described(names, shapes),
        }
        made = folder / "model.mnn"
        try:
            _quantize(float_path, made, configuration, "KL")
        except _CrashError:
            method, count = "ADMM", min(count, _AT_ONCE)
            configuration.update(used_sample_num=count, batch_size=count)
            _quantize(float_path, made, configuration, method)
        else:
            method = "KL"
        path.write_bytes(made.read_bytes())
    return count, METHODS[method]


def _quantize(float_path: Path, made: Path, configuration: Mapping[str, Any], method: str) -> None:
    described = made.with_suffix(".json")
    described.write_text(
        json.dumps({"batch_size": 1, **configuration, "feature_quantize_method": method}),
        encoding="utf-8",
    )
    said = _run("mnnquant", [str(float_path), str(made), str(described)])
    _check(made, "mnnquant", said)


def _write_sample(folder: Path, names: Sequence[str], tensors: Sequence[Values]) -> None:
    folder.mkdir(parents=True)
    for name, tensor in zip(names, tensors, strict=True):
        text = "\n".join(f"{value:.7g}" for value in tensor.ravel().tolist())
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    inputs = _described(names, [tensor.shape for tensor in tensors])
    (folder / "input.json").write_text(json.dumps({"inputs": inputs}), encoding="utf-8")


def _described(names: Sequence[str], shapes: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    return [{"name": name, "shape": list(shape)} for name, shape in zip(names, shapes, strict=True)]


def _run(name: str, arguments: Sequence[str]) -> Sequence[str]:
    """What one of MNN's tools says. Raises InputError where it crashes or takes too long."""
    command = [sys.executable, "-c", _CALL, json.dumps([name, list(arguments)])]
    done = run_tool(name, command, timeout_secs=TIMEOUT_SECS, hint=_HINT)
    if crash := done.signal_name:
        raise _CrashError(
            f"MNN's {name} crashed on the model ({crash}){_last(done.lines)}", hint=_HINT
        )
    if done.status:
        raise InputError(f"MNN's {name} failed{_last(done.lines)}", hint=_HINT)
    return done.lines


def _check(path: Path, name: str, said: Sequence[str]) -> None:
    """Raise InputError for a file that is not there or not whole: the tools report success."""
    unknown = [line for line in said if "Not Support" in line]
    if unknown:
        raise UnsupportedError(f"MNN's {name}: {shortened(unknown[0], 300)}", hint=_HINT)
    if not path.is_file():
        raise InputError(f"MNN's {name} wrote no file{_last(said)}", hint=_HINT)
    try:
        check_model_path(path)
    except InputError as error:
        raise InputError(
            f"MNN's {name} reports success, but {error.message}", hint=_HINT
        ) from error


def _last(said: Sequence[str]) -> str:
    """The last words that are not mere progress."""
    lines = [line for line in said if not line.startswith(("The device supports", "Start to"))]
    return f": {shortened(lines[-1], 300)}" if lines else ""
