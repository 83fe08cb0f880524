"""A fully convolutional .onnx file for another size of its images, weights unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.registry import require
from edgecnn.text import first_line


def write_resized(path: Path, out: Path, height: int, width: int) -> None:
    """Write the network in `path`, with one image as its input, for images of `height` × `width`.

    Sizes of activations are inferred again, and the sizes that a Resize takes as constants are
    scaled. Raises UnsupportedError for a network that does not follow; MissingDependencyError.
    """
    require("onnx", "convert")
    import onnx

    model = onnx.load(str(path))
    fixed = {one.name for one in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in fixed]
    if len(images) != 1 or len(images[0].type.tensor_type.shape.dim) != 4:
        raise UnsupportedError(f"{path.name}: not a network with one image as its input")
    dims = images[0].type.tensor_type.shape.dim
    first = dims[1].dim_value in (1, 3, 4) and dims[3].dim_value not in (1, 3, 4)
    at = (2, 3) if first else (1, 2)
    old = tuple(dims[axis].dim_value for axis in at)
    if not all(old):
        raise UnsupportedError(f"{path.name}: the size of its images is open")
    new = (height, width)
    _scale_constants(model, path.name, old, new)
    for axis, size in zip(at, new, strict=True):
        dims[axis].dim_value = size
    del model.graph.value_info[:]
    ranks = [len(value.type.tensor_type.shape.dim) for value in model.graph.output]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except Exception as error:
        raise _refused(path.name, first_line(error, kind=False)) from error
    for value, rank in zip(inferred.graph.output, ranks, strict=True):
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(sizes) != rank or not all(sizes[1:]):
            raise _refused(path.name, f"the size of its output {value.name} does not follow")
    onnx.save(inferred, str(out))


def _scale_constants(model: Any, name: str, old: tuple[int, ...], new: tuple[int, ...]) -> None:
    """Scale the sizes that Resize operators take as constants (their scales follow by themselves),
    and those of a Reshape that only moves the axis of a single channel.
    """
    from onnx import numpy_helper

    constants = {one.name: one for one in model.graph.initializer}
    done: set[str] = set()
    for node in model.graph.node:
        if node.op_type in ("Tile", "Expand", "Gemm", "Flatten"):
            raise _refused(name, f"{node.op_type} {node.name} depends on it")
        place = {"Resize": 3, "Reshape": 1}.get(node.op_type)
        if place is None or len(node.input) <= place or not node.input[place]:
            continue
        sizes = constants.get(node.input[place])
        if sizes is None:
            raise _refused(name, f"the size of {node.op_type} {node.name} is computed")
        if sizes.name in done:
            continue
        done.add(sizes.name)
        values = numpy_helper.to_array(sizes).astype(np.int64)
        axes = _spatial(node.op_type, values)
        if axes is None:
            raise _refused(name, f"{node.op_type} {node.name} depends on it")
        for axis, side, size in zip(axes, old, new, strict=True):
            if values[axis] * size % side:
                raise _refused(name, f"{node.op_type} {node.name} would have to give half a pixel")
            values[axis] = values[axis] * size // side
        sizes.CopyFrom(numpy_helper.from_array(values, sizes.name))


def _spatial(kind: str, values: Any) -> tuple[int, int] | None:
    """Which of the sizes are height and width; None where that cannot be said."""
    if kind == "Resize":
        return (2, 3) if len(values) == 4 else (0, 1) if len(values) == 2 else None
    long = [axis for axis, value in enumerate(values) if value > 1]
    single = len(values) == 4 and len(long) == 2 and long[1] == long[0] + 1 and long[0] > 0
    return (long[0], long[1]) if single else None


def _refused(name: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} cannot be given another input size: {why}",
        hint="convert it from its .keras file at that size",
    )
