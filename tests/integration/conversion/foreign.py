"""Small ONNX files as other frameworks write them: channels first, names of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecnn.data.base import Dataset, Split

SIZE = 12
CLASSES = 4
_TYPES = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16}


def images() -> Dataset:
    """Noise with one bright quarter: the class."""
    generator = np.random.default_rng(7)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int64) % CLASSES
        images = generator.integers(0, 90, (count, SIZE, SIZE, 3)).astype(np.uint8)
        half = SIZE // 2
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 2)
            image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 140
        return Split(images, labels)

    names = tuple("abcd")
    return Dataset(
        "quarters", "classification", names, {"train": split(48), "test": split(40)}, "q",
        (SIZE, SIZE, 3),
    )  # fmt: skip


def network(
    path: Path,
    *,
    batch: int | str = 1,
    size: int | str = SIZE,
    opset: int = 17,
    ir: int = 8,
    dtype: Any = np.float32,
    listed: bool = False,
    external: bool = False,
    rescales: bool = False,
    pixels: bool = False,
) -> Path:
    """A network of `images` (batch, 3, size, size) that knows the four quarters: `scores`.

    It divides by 255 first where it `rescales`, and takes uint8 where it takes `pixels`.
    """
    generator = np.random.default_rng(3)
    kernel = np.zeros((6, 3, 3, 3), np.float32)
    kernel[:3] = np.eye(3, dtype=np.float32)[:, :, None, None] / 9 / 255
    kernel[3:] = generator.normal(0, 0.01, (3, 3, 3, 3)) / 255
    weights = {"kernel": kernel, "bias": np.zeros(6, np.float32)}
    if not isinstance(size, str):
        dense = np.zeros((6, size // 2, size // 2, CLASSES), np.float32)
        quarter = size // 4
        for label in range(CLASSES):
            row, column = divmod(label, 2)
            place = (slice(row * quarter, None if row else quarter),
                     slice(column * quarter, None if column else quarter))  # fmt: skip
            dense[(slice(0, 3), *place, label)] = 0.5
        weights["dense"] = dense.reshape(-1, CLASSES)
        tail = [
            helper.make_node("Flatten", ["relu"], ["flat"], name="flatten"),
            helper.make_node("MatMul", ["flat", "dense"], ["scores"], name="classes"),
        ]
    else:
        weights["dense"] = generator.normal(0, 1, (6, CLASSES)).astype(np.float32)
        tail = [
            helper.make_node("GlobalAveragePool", ["relu"], ["mean"], name="mean"),
            helper.make_node("Flatten", ["mean"], ["flat"], name="flatten"),
            helper.make_node("MatMul", ["flat", "dense"], ["scores"], name="classes"),
        ]
    given = "images"
    nodes = []
    if pixels:
        to = _TYPES[dtype]
        nodes.append(helper.make_node("Cast", [given], ["real"], name="real", to=to))
        given = "real"
    if rescales:
        weights["factor"] = np.full(1, 1 / 255, np.float32)
        weights["kernel"] = kernel * 255
        nodes.append(helper.make_node("Mul", [given, "factor"], ["scaled"], name="scale"))
        given = "scaled"
    nodes += [
        helper.make_node(
            "Conv", [given, "kernel", "bias"], ["conv"], name="first", strides=[2, 2],
            pads=[1, 1, 1, 1],
        ),
        helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
        *tail,
    ]  # fmt: skip
    return save(
        path,
        nodes,
        {"images": (batch, 3, size, size)},
        {"scores": (batch, CLASSES)},
        {name: array.astype(dtype) for name, array in weights.items()},
        opset=opset,
        ir=ir,
        kind=_TYPES[dtype],
        input_kind=TensorProto.UINT8 if pixels else None,
        listed=listed,
        external=external,
    )


def save(
    path: Path,
    nodes: Sequence[Any],
    inputs: dict[str, tuple[int | str, ...]],
    outputs: dict[str, tuple[int | str, ...]],
    weights: dict[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    ir: int = 8,
    kind: int = TensorProto.FLOAT,
    input_kind: int | None = None,
    listed: bool = False,
    external: bool = False,
) -> Path:
    """A graph as a file; `listed` lists weights as inputs, `external` keeps them elsewhere."""
    made = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    values = [
        helper.make_tensor_value_info(name, input_kind or kind, shape)
        for name, shape in inputs.items()
    ]
    if listed:
        values += [
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            for tensor in made
        ]
    graph = helper.make_graph(
        list(nodes),
        "foreign",
        values,
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        made,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir
    onnx.save(
        model, str(path), save_as_external_data=external, location="weights.bin", size_threshold=0
    )
    return path
