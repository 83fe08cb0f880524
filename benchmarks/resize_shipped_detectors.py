"""Give the shipped stop-sign files a resize where Keras's nearest upsampling was a chain of tiles.

    python benchmarks/resize_shipped_detectors.py --out benchmarks/results/resize_shipped.json

Weights, quantization steps and thresholds stay as they are: a resize to the nearest pixel by a
factor of two gives the values that Tile and Reshape gave. `convert` writes a resize by itself; this
is for files made before it did, one of which (`stop_sign_nano`) has no float parent any more. A
file is replaced only when its outputs for noise and for flat images are the same, bit by bit.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.conversion.embedding import embed_manifest
from edgecnn.conversion.verification.verify import load_session
from edgecnn.data.splitting.training_overlap import without_sample_digests
from edgecnn.embedded_manifest import load_artifact
from edgecnn.files import atomic_path
from edgecnn.formats.check import read_signature
from edgecnn.manifest import with_conversion, write_manifest
from edgecnn.system.places import ASSETS

NOTE = "nearest upsampling as a resize, in place of tiles; the outputs are the same bits"
_CHAIN = ("RESHAPE", "DEQUANTIZE", "TILE", "QUANTIZE")


@dataclass(frozen=True)
class Change:
    """What became of a file."""

    file: str
    operators_before: dict[str, int]
    operators_after: dict[str, int]
    bytes_before: int
    bytes_after: int
    inputs_compared: int


def tflite_with_resize(content: bytes) -> bytes:
    """The file with a RESIZE_NEAREST_NEIGHBOR for each chain of two tiles."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}

    def kind(operator: Any) -> str:
        code = model.operatorCodes[operator.opcodeIndex]
        return names[max(code.builtinCode, code.deprecatedBuiltinCode)]

    makers = {int(one.outputs[0]): one for one in graph.operators}
    kept, chains = [], []
    for operator in graph.operators:
        if kind(operator) not in _CHAIN:
            kept.append(operator)
            continue
        rank = len(graph.tensors[int(operator.outputs[0])].shape)
        if kind(operator) == "RESHAPE" and rank == 4:
            chain = [operator]
            while int(chain[-1].inputs[0]) in makers:
                maker = makers[int(chain[-1].inputs[0])]
                if kind(maker) not in _CHAIN:
                    break
                chain.append(maker)
            assert [kind(one) for one in chain].count("TILE") == 2, "not a chain of two tiles"
            chains.append(chain)
            kept.append(operator)
    code = schema.OperatorCodeT(
        builtinCode=schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        deprecatedBuiltinCode=schema.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
        version=2,
    )
    model.operatorCodes.append(code)
    for chain in chains:
        last, source = chain[0], int(chain[-1].inputs[0])
        given, answered = graph.tensors[source], graph.tensors[int(last.outputs[0])]
        assert given.quantization.scale == answered.quantization.scale, "the steps differ"
        size = np.asarray(answered.shape[1:3], np.int32)
        assert (size == 2 * np.asarray(given.shape[1:3])).all(), "not a factor of two"
        model.buffers.append(schema.BufferT(data=np.frombuffer(size.tobytes(), np.uint8)))
        tensor = schema.TensorT(
            name=f"{answered.name.decode()}/size",
            shape=np.asarray([2], np.int32),
            type=schema.TensorType.INT32,
            buffer=len(model.buffers) - 1,
        )
        graph.tensors.append(tensor)
        last.inputs = np.asarray([source, len(graph.tensors) - 1], np.int32)
        last.opcodeIndex = len(model.operatorCodes) - 1
        last.builtinOptionsType = schema.BuiltinOptions.ResizeNearestNeighborOptions
        last.builtinOptions = schema.ResizeNearestNeighborOptionsT()
    graph.operators = kept
    _without_leftovers(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _without_leftovers(model: Any) -> None:
    """Without operator codes and tensors that nothing uses any more."""
    graph = model.subgraphs[0]
    codes = sorted({one.opcodeIndex for one in graph.operators})
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    used = {int(each) for one in graph.operators for each in (*one.inputs, *one.outputs)}
    used |= {*map(int, graph.inputs), *map(int, graph.outputs)}
    places = {old: new for new, old in enumerate(sorted(used - {-1}))} | {-1: -1}
    graph.tensors = [graph.tensors[old] for old in sorted(used - {-1})]
    for operator in graph.operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)
        operator.inputs = np.asarray([places[int(each)] for each in operator.inputs], np.int32)
        operator.outputs = np.asarray([places[int(each)] for each in operator.outputs], np.int32)
    graph.inputs = np.asarray([places[int(each)] for each in graph.inputs], np.int32)
    graph.outputs = np.asarray([places[int(each)] for each in graph.outputs], np.int32)
    for signature in model.signatureDefs or ():
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = places[entry.tensorIndex]


def onnx_with_resize(content: bytes) -> bytes:
    """The file with a Resize for each chain from Repeat/ExpandDims to the transpose back."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(content)
    graph = model.graph
    scales = numpy_helper.from_array(np.asarray([1, 1, 2, 2], np.float32), "upsampling_scales")
    graph.initializer.append(scales)
    starts = [node for node in graph.node if node.output[0].endswith("/Repeat/ExpandDims:0")]
    for start in starts:
        label = start.output[0].removesuffix("/Repeat/ExpandDims:0")
        end = _transpose_behind(graph, f"{label}/Repeat_1/Reshape_1:0")
        resized = helper.make_node(
            "Resize",
            [start.input[0], "", scales.name],
            [end.output[0]],
            name=f"{label}/resize",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        place = list(graph.node).index(end)
        graph.node.remove(end)
        graph.node.insert(place, resized)
    _without_dead_nodes(graph)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _transpose_behind(graph: Any, name: str) -> Any:
    """The transpose to channels first that takes a tensor, past quantization of one step."""
    while True:
        (node,) = [node for node in graph.node if name in node.input]
        if node.op_type == "Transpose":
            return node
        assert node.op_type in ("QuantizeLinear", "DequantizeLinear"), node.op_type
        name = node.output[0]


def _without_dead_nodes(graph: Any) -> None:
    while True:
        used = {name for node in graph.node for name in node.input}
        used |= {value.name for value in graph.output}
        dead = [node for node in graph.node if used.isdisjoint(node.output)]
        if not dead:
            break
        for node in dead:
            graph.node.remove(node)
    for values in (graph.initializer, graph.value_info):
        made = used | {name for node in graph.node for name in node.output}
        for value in [value for value in values if value.name not in made]:
            values.remove(value)


def changed(path: Path) -> Change | None:
    """Rewrite one file in place; None where it has no tiles."""
    before = {key: int(count) for key, count in read_signature(path).operators.items()}
    if not {"Tile", "TILE"} & set(before):
        return None
    artifact = load_artifact(path)
    rewrite = tflite_with_resize if path.suffix == ".tflite" else onnx_with_resize
    with atomic_path(path) as temporary:
        temporary.write_bytes(rewrite(path.read_bytes()))
        manifest = with_conversion(artifact.manifest, rewritten=NOTE)
        embed_manifest(temporary, without_sample_digests(manifest))
        old, new = load_session(path), load_session(temporary)
        rng = np.random.default_rng(0)
        shape = tuple(size or 1 for size in old.inputs[0].shape)
        inputs = [rng.random(shape, np.float32) for _ in range(16)]
        inputs += [np.full(shape, level, np.float32) for level in np.linspace(0, 1, 8)]
        for one in inputs:
            for expected, got in zip(old.run([one]), new.run([one]), strict=True):
                np.testing.assert_array_equal(got, expected)
        size = path.stat().st_size
    write_manifest(path, manifest)
    after = {key: int(count) for key, count in read_signature(path).operators.items()}
    return Change(path.name, before, after, size, path.stat().st_size, len(inputs))


def main() -> None:
    parser = argparse.ArgumentParser(description="Resize in the shipped detectors.")
    parser.add_argument("--assets", type=Path, default=ASSETS)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    models = sorted((*options.assets.glob("*.tflite"), *options.assets.glob("*.onnx")))
    found = [change for change in map(changed, models) if change is not None]
    options.out.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    for one in found:
        print(one.file, one.operators_before, "→", one.operators_after)


if __name__ == "__main__":
    main()
