"""ONNX models in older versions, with fixed sizes, in float32: rewritten to compute the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.manifest import TensorSpec
from edgecnn.text import shortened

_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
_TYPES = {"float16": (_FLOAT16,), "bfloat16": (_BFLOAT16,), "float64": (_DOUBLE,)}
_DTYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "stash_type")
_MOST_BYTES = 2 << 30
"""Of a tensor, as of a file."""
_NEW_ENOUGH = 8
"""An IR version that every opset up to 18 is fine with, and every runtime of today."""
_FIRST_WITH_FREE_WEIGHTS = 4
"""The IR version from which on weights need not be listed as inputs."""


def copied(model: Any) -> Any:
    """A model of its own."""
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def save(model: Any, path: Path) -> None:
    """Write the model into one file."""
    import onnx

    onnx.save(model, str(path))


def set_nodes(
    graph: Any, nodes: Iterable[Any], renamed: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Let `graph` have `nodes`, its own and new ones, in this order; `renamed` are tensors that
    they take under another name now.
    """
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    for node in copies:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    del graph.node[:]
    graph.node.extend(copies)


def keep_metadata(parent: Path, path: Path) -> None:
    """Give the file at `path` the metadata that its parent has and it lost (names of classes)."""
    import onnx

    wanted = onnx.load(str(parent), load_external_data=False).metadata_props
    if not wanted:
        return
    model = onnx.load(str(path))
    there = {entry.key for entry in model.metadata_props}
    model.metadata_props.extend(entry for entry in wanted if entry.key not in there)
    save(model, path)


def without_listed_weights(model: Any) -> None:
    """Take weights out of the list of inputs, where old files have them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    kept = [value for value in model.graph.input if value.name not in weights]
    if len(kept) != len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(kept)
        model.ir_version = max(model.ir_version, _FIRST_WITH_FREE_WEIGHTS)


def with_dense_weights(model: Any) -> None:
    """Store sparse weights as dense ones, which every converter reads."""
    from onnx import numpy_helper

    graph = model.graph
    for sparse in graph.sparse_initializer:
        graph.initializer.append(numpy_helper.from_array(_dense(sparse), sparse.values.name))
    del graph.sparse_initializer[:]
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "sparse_value":
                dense = numpy_helper.from_array(_dense(attribute.sparse_tensor))
                attribute.Clear()
                attribute.name, attribute.type = "value", attribute.TENSOR
                attribute.t.CopyFrom(dense)


def _dense(sparse: Any) -> Any:
    """The values of a sparse tensor, whose indices are flat or one a dimension."""
    from onnx import numpy_helper

    values, places = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    if prod(sparse.dims) * values.itemsize > _MOST_BYTES:
        raise ValueError(f"a sparse tensor of {tuple(sparse.dims)} is too large")
    dense = np.zeros(tuple(sparse.dims), values.dtype)
    if places.ndim == 1:
        dense.flat[places] = values
    else:
        dense[tuple(places.T)] = values
    return dense


def opset_of(model: Any) -> int:
    """The version of ONNX's own operators."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return int(max(versions, default=1))


def lowered(
    model: Any, *, ir: int | None, opset: int | None, runtime: str
) -> tuple[Any, tuple[str, ...]]:
    """The model in versions that `runtime` reads, `ir` and `opset` at most, and what is said of
    the difference. A limit that is None is not known.

    Raises UnsupportedError, with both numbers, where ONNX cannot lower the opset.
    """
    notes = []
    have = opset_of(model)
    if opset is not None and have > opset:
        model = with_opset(model, opset, why=f"{runtime} reads opsets up to {opset}")
        notes.append(
            f"the file has opset {have}, {runtime} reads up to {opset}: lowered to opset {opset} "
            "by ONNX's version converter"
        )
    if ir is not None and model.ir_version > ir:
        notes.append(f"the file has IR {model.ir_version}, {runtime} reads up to {ir}: lowered")
        model.ir_version = ir
    return model, tuple(notes)


def with_opset(model: Any, opset: int, *, why: str) -> Any:
    """The model with another opset. Raises UnsupportedError where ONNX cannot convert it."""
    import onnx
    from onnx import version_converter

    have = opset_of(model)
    known = onnx.defs.onnx_opset_version()
    hint = f"export the model with opset {opset}, or install a newer onnxruntime and onnx"
    if have > known:
        raise UnsupportedError(
            f"the file has opset {have}; {why}, and the installed onnx {onnx.__version__} knows "
            f"opsets up to {known}, so that it cannot be lowered",
            hint=hint,
        )
    # Where attributes become inputs the converter adds weights, which older files would list.
    given = copied(model)
    given.ir_version = max(given.ir_version, _NEW_ENOUGH)
    try:
        changed = version_converter.convert_version(given, opset)
        onnx.checker.check_model(changed)
    except (RuntimeError, ValueError, TypeError, IndexError, onnx.checker.ValidationError) as error:
        reason = re.sub(r"^/\S+: ", "", shortened(str(error), 300))
        raise UnsupportedError(
            f"the file has opset {have}; {why}, and ONNX's version converter cannot change it to "
            f"opset {opset}: {reason}",
            hint=hint,
        ) from error
    without_listed_weights(changed)
    del changed.metadata_props[:]
    changed.metadata_props.extend(model.metadata_props)
    return changed


def with_sizes(model: Any, specs: Sequence[TensorSpec], *, keep_batch: bool) -> None:
    """Give the inputs the sizes of `specs` (in the file's own layout), where they leave any open.

    With `keep_batch` an open first dimension stays open.
    """
    import onnx

    sizes = {spec.name: spec.shape for spec in specs}
    bound: dict[str, int] = {}
    """Sizes by the names of the dimensions that got them ("" for one without a name)."""
    for value in model.graph.input:
        shape = value.type.tensor_type.shape
        wanted = sizes.get(value.name, ())
        while len(shape.dim) < len(wanted):  # of open rank
            shape.dim.add()
        first = 1 if keep_batch else 0
        for dimension, size in list(zip(shape.dim, wanted, strict=False))[first:]:
            is_open = not dimension.HasField("dim_value") or dimension.dim_value < 0
            if size is not None and is_open:
                bound[dimension.dim_param] = int(size)
                dimension.dim_value = int(size)
    if not bound:
        return
    del model.graph.value_info[:]
    for value in model.graph.output:
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param and dimension.dim_param in bound:
                dimension.dim_value = bound[dimension.dim_param]
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError):
        return  # the runtime infers for itself
    model.CopyFrom(inferred)


def to_float32(model: Any, held: str) -> None:
    """Make every tensor of the type `held` (float16, bfloat16, float64) one of float32."""
    kinds = _TYPES.get(held, ())
    if not kinds:
        return
    for graph in graphs_in(model):
        for tensor in getattr(graph, "initializer", ()):
            _tensor_to_float32(tensor, kinds)
        values = [getattr(graph, name, ()) for name in ("input", "output", "value_info")]
        for value in (one for group in values for one in group if hasattr(one, "type")):
            if value.type.tensor_type.elem_type in kinds:
                value.type.tensor_type.elem_type = _FLOAT
        for attribute in (one for node in graph.node for one in node.attribute):
            _attribute_to_float32(attribute, kinds)


def _attribute_to_float32(attribute: Any, kinds: Sequence[int]) -> None:
    for tensor in [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]:
        _tensor_to_float32(tensor, kinds)
    if attribute.name in _DTYPE_ATTRIBUTES and attribute.i in kinds:
        attribute.i = _FLOAT


def _tensor_to_float32(tensor: Any, kinds: Sequence[int]) -> None:
    from onnx import numpy_helper

    if tensor.data_type in kinds:
        values = np.asarray(numpy_helper.to_array(tensor)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def graphs_in(model: Any) -> Iterator[Any]:
    """The main graph, functions, and the graphs inside of nodes."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)
