"""TensorFlow SavedModels: what a serving signature computes, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.conversion.sources import Opened, OpenOptions
from edgecnn.conversion.sources.keras_file import digest_of
from edgecnn.conversion.sources.tensorflow import TensorFlowSource, given_sizes
from edgecnn.errors import InputError
from edgecnn.feeding import InferredInput
from edgecnn.keras_files import import_keras
from edgecnn.keras_files.library import without_native_log
from edgecnn.keras_files.problems import first_sentence
from edgecnn.keras_files.trust import TRUST
from edgecnn.manifest import Manifest, TensorSpec
from edgecnn.registry import require
from edgecnn.runtimes.shapes import fix_shapes
from edgecnn.runtimes.tensors import name_axes
from edgecnn.text import words

MAX_GRAPH_BYTES = 2 << 30
MAX_FILES = 10_000
SIGNATURE = "serving_default"

_REACHES_OUT = words(
    "ReadFile WriteFile MatchingFiles WholeFileReaderV2 TextLineReaderV2 TFRecordReaderV2 "
    "FixedLengthRecordReaderV2 PyFunc PyFuncStateless EagerPyFunc SaveV2 Save SaveSlices "
    "DebugIdentityV2 PrintV2 TextLineDataset TFRecordDataset TFRecordDatasetV2 "
    "FixedLengthRecordDatasetV2 SqlDataset LMDBDataset RpcCall RpcClient RpcServer "
    "DeleteMultiDeviceIterator InitializeTableFromTextFileV2"
)
"""Operators that read or write files, call Python, or send something."""
_OF_LOADING = frozenset({"SaveV2", "InitializeTableFromTextFileV2"})
"""Those that every SavedModel may hold: its own saver, tables that it brings as assets."""


@dataclass(frozen=True, kw_only=True)
class SavedModelSource(TensorFlowSource):
    """One serving signature of a SavedModel."""

    loaded: Any
    """What TensorFlow loaded: its variables live as long as it does."""
    keys: tuple[str, ...]
    """The names of the signature's arguments, in the order of `inputs`."""
    results: tuple[str, ...]
    """The keys of the signature's results, in the order of `output_names`."""

    def call(self, tensors: Sequence[Any]) -> list[Any]:
        import tensorflow as tf

        signature = self.loaded.signatures[SIGNATURE]
        pairs = zip(self.keys, tensors, strict=True)
        inputs = {key: tf.convert_to_tensor(tensor) for key, tensor in pairs}
        outputs = signature(**inputs)
        return [outputs[key] for key in self.results]

    def tracked(self) -> Any:
        return self.loaded

    def proof(self) -> InferredInput | None:
        return self.proof_in_file()


def open_model(path: Path, options: OpenOptions) -> Opened:
    """Load a SavedModel folder.

    Raises InputError for a folder that is not whole or whose files lie elsewhere, for a graph that
    reads files or calls Python, and for one without a serving signature.
    """
    files = _files(path)
    graph = path / "saved_model.pb"
    if not graph.is_file():
        raise InputError(
            f"{path} holds its graph as text (saved_model.pbtxt)",
            hint="save it again with tf.saved_model.save(), which writes saved_model.pb",
        )
    import_keras()
    require("tensorflow", "convert")
    if not options.allow_unsafe:
        _refuse_reaching_out(path, graph)
    import tensorflow as tf

    try:
        with without_native_log():
            loaded = tf.saved_model.load(str(path))
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        AttributeError,
        tf.errors.OpError,
    ) as error:
        raise InputError(
            f"{path}: TensorFlow cannot load this SavedModel ({first_sentence(error)})",
            hint="it is damaged or incomplete: copy the whole folder again, variables/ too",
        ) from error  # fmt: skip
    signature = _signature(path, loaded)
    source = _described(path, loaded, signature, digest_of(files), options)
    return Opened(source, Manifest(model=source.name, recipe="float32", inferred=True))


def _files(path: Path) -> list[Path]:
    """All files of the folder, in order; none of them lies elsewhere."""
    home = path.resolve()
    files: list[Path] = []
    for entry in sorted(path.rglob("*")):
        if len(files) > MAX_FILES:
            raise InputError(f"{path} holds more than {MAX_FILES:,} files")
        if entry.is_dir():
            continue
        if not entry.resolve().is_relative_to(home) or not entry.is_file():
            raise InputError(
                f"{path}: {entry.relative_to(path)} lies outside this folder",
                hint="copy the SavedModel with its links resolved: cp -rL",
            )
        files.append(entry)
    return files


def _refuse_reaching_out(path: Path, graph: Path) -> None:
    """Raise InputError for operators that do more than compute."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    if graph.stat().st_size > MAX_GRAPH_BYTES:
        raise InputError(f"{path}: its graph has {graph.stat().st_size:,} bytes")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(graph.read_bytes())
    except DecodeError as error:
        raise InputError(
            f"{path}: saved_model.pb is not a SavedModel ({first_sentence(error)})",
            hint="it is damaged or incomplete: copy the whole folder again",
        ) from error
    for operator in _operators(model):
        if operator in _REACHES_OUT - _OF_LOADING:
            raise InputError(
                f"{path} contains the operator {operator}, which does more than compute", hint=TRUST
            )


def _operators(model: Any) -> Iterator[str]:
    for meta in model.meta_graphs:
        yield from (node.op for node in meta.graph_def.node)
        for function in meta.graph_def.library.function:
            yield from (node.op for node in function.node_def)


def _signature(path: Path, loaded: Any) -> Any:
    known = list(getattr(loaded, "signatures", {}) or {})
    if SIGNATURE not in known:
        raise InputError(
            f"{path} has no signature {SIGNATURE!r}"
            + (f", only {', '.join(map(repr, known))}" if known else ", nor any other"),
            hint="save it with a serving signature: model.export(folder), or "
            "tf.saved_model.save(module, folder, signatures=module.serve)",
        )
    return loaded.signatures[SIGNATURE]


def _described(
    path: Path, loaded: Any, signature: Any, sha256: str, options: OpenOptions
) -> SavedModelSource:
    name = path.resolve().name
    arguments = signature.structured_input_signature[1]
    keys = _in_order(path, arguments, "input_layers")
    declared = [
        (key, (None,) if arguments[key].shape.rank is None else tuple(arguments[key].shape))
        for key in keys
    ]
    for key, sizes in declared:
        if sizes and sizes[0] not in (None, 1):
            raise InputError(
                f"{name}: input {key!r} takes batches of exactly {sizes[0]}",
                hint="export it with an open batch",
            )
    try:
        batched = [(key, (None, *sizes[1:])) for key, sizes in declared]
        shapes = fix_shapes(batched, 1, options.shape)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", hint=error.hint) from error
    specs = []
    for key, sizes in zip(keys, shapes, strict=True):
        dtype = str(arguments[key].dtype.name)
        if dtype == "string":
            raise InputError(
                f"{name}: input {key!r} takes text (string), edgecnn feeds numbers only",
                hint="export the part behind the text processing or the decoding of images",
            )
        layout = name_axes(len(sizes), dtype)
        specs.append(TensorSpec(key, (None, *sizes[1:]), dtype, layout))
    results = _in_order(path, signature.structured_outputs, "output_layers")
    return SavedModelSource(
        name=name,
        sha256=sha256,
        inputs=tuple(specs),
        output_names=tuple(results),
        loaded=loaded,
        keys=tuple(keys),
        results=tuple(results),
        given=given_sizes(declared, shapes),
        notes=(f"{name} is a SavedModel: its signature {SIGNATURE} was converted",),
    )


def _in_order(path: Path, named: Any, setting: str) -> list[str]:
    """The names of a signature, which is sorted, in the order of the Keras 2 model inside."""
    names = [str(key) for key in named]
    wanted = _keras_2_order(path, setting)
    return wanted if sorted(wanted) == sorted(names) else names


def _keras_2_order(path: Path, setting: str) -> list[str]:
    """The layers that `setting` lists in the configuration that Keras 2 left; empty without."""
    metadata = path / "keras_metadata.pb"
    if not metadata.is_file() or metadata.stat().st_size > MAX_GRAPH_BYTES:
        return []
    text = metadata.read_bytes()
    start = text.find(b'{"name"')
    if start < 0:
        return []
    try:
        config, _ = json.JSONDecoder().raw_decode(text[start:].decode("utf-8", "ignore"))
        layers = config["config"][setting]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [str(layer[0]) for layer in layers if isinstance(layer, list) and layer]
