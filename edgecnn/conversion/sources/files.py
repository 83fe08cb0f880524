"""A model file as a source: its answers are those of its format's own runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.conversion.boundary import converter
from edgecnn.conversion.exporters import EXPORTERS, exporter
from edgecnn.conversion.exporters.derived import DERIVED
from edgecnn.conversion.inference.run import batch_of, predict
from edgecnn.conversion.rewriting.onnx.dequantization import write_dequantized
from edgecnn.conversion.sources.base import Array, Sample, SourceModel
from edgecnn.errors import EdgeCNNError, InputError, UnsupportedError
from edgecnn.feeding import InferredInput, infer_from_file
from edgecnn.formats import recipes
from edgecnn.formats.check import read_signature
from edgecnn.formats.id_tables import id_limits
from edgecnn.formats.signature import Dimension
from edgecnn.manifest import TensorSpec, digest_of
from edgecnn.runtimes.shapes import example_side, parse_shapes
from edgecnn.synthetic_inputs import channels_last
from edgecnn.tensor_spec import is_batched

if TYPE_CHECKING:
    from edgecnn.conversion.targets import Target
    from edgecnn.runtimes.base import Session

FLOATS = ("", *recipes.FLOATS)
"""What files hold that can still become any other recipe; "" has no weights."""
_CARRIED = (("tflite", "onnx"),)
"""From one format to another with all quantized numbers."""
_NOT_CARRIED = ("int4_weights",)
"""Recipes whose numbers tf2onnx does not read."""
DEQUANTIZED = {"onnx": recipes.QUANTIZED, "tflite": recipes.QUANTIZED}
"""Recipes, by the format of the file, of which a float ONNX file can be written: the numbers that
it stores, as real ones."""
_INTEGERS = ("static_int8", "int16x8")
"""Recipes in whose TFLite files activations are integers, too."""
_BITS = {"int4_weights": 4}
_CHANNELS_LAST = {"NCHW": "NHWC", "NCL": "NLC", "NCDHW": "NDHWC"}


@dataclass(frozen=True, kw_only=True)
class FileSource(SourceModel):
    """A model file in its own runtime.

    `held` is the recipe that the file stores. `write_float_graph` writes the same model in float32,
    with every size fixed but an open batch; it is what exporters and quantizers take.
    """

    format: str
    original: Path
    shape: str = ""
    """The sizes that were given for what the file leaves open."""
    held: str
    session: Session = field(repr=False)
    write_float_graph: Callable[[Path], None] = field(repr=False)
    write_dequantized_graph: Callable[[Path], None] | None = field(default=None, repr=False)
    """As `write_float_graph`, which keeps a quantized file's numbers: with the real values in place
    of those that operators on floats take. None where `write_float_graph` does so itself."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Sizes of the first input, channels last, without the batch where it has one."""
        spec = self.inputs[0]
        shape = spec.shape[1:] if spec.shape and spec.shape[0] is None else spec.shape
        return tuple(int(size) for size in shape if size is not None)

    def predict(self, samples: Iterable[Sample], *, batch: int = 1) -> list[Array]:  # noqa: ARG002
        """As the file is used: one sample at a time, or as many as its batch is fixed to."""
        return predict(self.session, samples)

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        return self.session.run(list(tensors))

    def record(self) -> dict[str, Any]:
        return {"format": self.format} | ({"shape": self.shape} if self.shape else {})

    @property
    def is_dequantized(self) -> bool:
        """Whether float files made of it hold the real values of a quantized file's numbers."""
        return self.held in DEQUANTIZED.get(self.format, ())

    def has_float_reference(self, file_format: str) -> bool:
        return self.format == "onnx" != file_format

    @property
    def output_steps(self) -> tuple[float | None, ...]:
        return tuple(spec.scale for spec in self.session.outputs)

    def write_float(self, file_format: str, path: Path) -> None:
        twin = self.write_dequantized_graph or self.write_float_graph
        exporter(self.format, file_format).write(replace(self, write_float_graph=twin), path)
        if self.is_dequantized and file_format == "onnx" and self.format != "onnx":
            with converter("the dequantization of the ONNX file"):
                write_dequantized(path)

    def write_quantized(self, file_format: str, path: Path) -> None:
        exporter(self.format, file_format).write(self, path)

    def notes_for(self, target: Target) -> tuple[str, ...]:
        if not self.is_dequantized or self.carries(target):
            return self.notes
        return (
            *self.notes,
            f"its parent is quantized: its weights are the {_BITS.get(self.held, 8)}-bit numbers "
            f"of {self.original.name}; that rounding cannot be undone",
        )

    def converter(self, file_format: str) -> tuple[str, tuple[str, ...]]:
        way = exporter(self.format, file_format)
        return way.tool, way.packages

    def proof(self) -> InferredInput | None:
        return infer_from_file(self.original)

    def objection(self, target: Target) -> EdgeCNNError | None:
        try:
            self._check_held(target)
            if target.format in EXPORTERS[self.format]:
                exporter(self.format, target.format).check(self)
        except EdgeCNNError as error:
            return error
        return None

    def carries(self, target: Target) -> bool:
        return (
            self.held not in FLOATS
            and target.recipe == self.held
            and (self.format, target.format) in _CARRIED
            and self.held not in _NOT_CARRIED
        )

    def _check_held(self, target: Target) -> None:
        """Raise UnsupportedError for a quantized file that is asked for anything but its own
        numbers in another format: what was rounded away is gone.
        """
        if self.held in FLOATS or self.carries(target):
            return
        stays = self.format == target.format == "tflite" and self.held in _INTEGERS
        in_float = self.is_dequantized and not stays
        if in_float and (target.recipe in ("float32", "float16") or target.format in DERIVED):
            return
        raise UnsupportedError(
            f"{self.original.name} holds {self.held} already: {target} is made from the float "
            "model",
            hint="convert the float model that it was made from"
            + (
                "; its own numbers become onnx:float32, and ncnn's and MNN's files"
                if self.is_dequantized
                else ""
            ),
        )


def file_source(
    path: Path,
    session: Session,
    *,
    file_format: str,
    shape: str,
    held: str,
    write_float_graph: Callable[[Path], None],
    write_dequantized_graph: Callable[[Path], None] | None = None,
    notes: tuple[str, ...] = (),
) -> FileSource:
    """The source of a file that its own runtime has loaded."""
    return FileSource(
        format=file_format,
        name=name_of(path, held),
        sha256=digest_of(path)[0],
        inputs=inputs_of(session),
        output_names=tuple(spec.name for spec in session.outputs),
        vocabularies=vocabularies_of(path, session),
        original=path,
        shape=shape,
        held=held,
        session=session,
        write_float_graph=write_float_graph,
        write_dequantized_graph=write_dequantized_graph,
        notes=notes,
    )


def name_of(path: Path, held: str) -> str:
    """What a file's model is called: the file's name without the recipe at its end."""
    return path.stem.removesuffix(f"_{held}") or path.stem


def inputs_of(session: Session) -> tuple[TensorSpec, ...]:
    """What a loaded file takes, channels last as samples are; a first size that counts samples
    is open (None).
    """
    batch = batch_of(session.inputs, session.outputs)
    specs = []
    for spec in session.inputs:
        shape = channels_last(spec)
        if is_batched(spec, batch):
            shape = (None, *shape[1:])
        specs.append(
            replace(spec, shape=shape, layout=_CHANNELS_LAST.get(spec.layout, spec.layout))
        )
    return tuple(specs)


def ask_sizes(path: Path, shape: str) -> None:
    """Raise InputError, with what to say, for sizes that a file leaves open and `shape` does not
    give: a file for the edge has fixed ones.
    """
    shapes = parse_shapes(shape)
    for value in read_signature(path).inputs:
        if value.shape is not None and not any(is_open(size) for size in value.shape[1:]):
            continue
        if value.name in shapes or "" in shapes:
            continue
        sizes = tuple(value.shape or ("batch", "?"))
        listing = ", ".join(str(size) if not is_open(size) else f"{size or '?'}" for size in sizes)
        side = example_side(len(sizes))
        examples = [1, *(side if is_open(size) else size for size in sizes[1:])]
        raise InputError(
            f"{path.name}: input {value.name!r} is ({listing}): not every size is known",
            hint=f"pass it, as in --shape {value.name}={'x'.join(map(str, examples))}",
        )


def is_open(size: Dimension) -> bool:
    """Whether a declared dimension has no size."""
    return not isinstance(size, int) or size < 0


def vocabularies_of(path: Path, session: Session) -> Mapping[str, int]:
    """How many ids an input takes, by its name, where it is looked up in a table."""
    limits = id_limits(path)
    if len(limits) != len(session.inputs):
        return {}
    pairs = zip(session.inputs, limits, strict=True)
    return {spec.name: limit for spec, limit in pairs if limit is not None}
