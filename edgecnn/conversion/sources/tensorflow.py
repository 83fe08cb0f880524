"""Models that TensorFlow computes: Keras 3 and Keras 2, and graphs in a SavedModel."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.conversion.sources.base import Array, SourceModel
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.feeding import InferredInput, infer_from_file
from edgecnn.registry import lookup
from edgecnn.runtimes.tensors import to_model
from edgecnn.text import first_line

if TYPE_CHECKING:
    from edgecnn.conversion.exporters.preflight import Operation
    from edgecnn.conversion.targets import Target

_CONVERTERS = {
    "tflite": ("tensorflow", ("tensorflow", "keras", "litert-quantizer", "ai-edge-litert")),
    "onnx": ("tf2onnx", ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")),
}


def given_sizes(
    declared: Sequence[tuple[str, Sequence[int | None]]], fixed: Sequence[Sequence[int]]
) -> dict[str, str]:
    """What a manifest says of the sizes that were given for open ones ("shape", see
    `runtimes.shapes`); empty where the model leaves none open but the batch.
    """
    opened = [
        (f"{name}=" if len(declared) > 1 else "") + "x".join(map(str, (1, *sizes[1:])))
        for (name, shape), sizes in zip(declared, fixed, strict=True)
        if None in shape[1:]
    ]
    return {"shape": ",".join(opened)} if opened else {}


def numbered(kind: str, index: int) -> str:
    """What the traced graph calls an argument ("input") or a result ("output"); these names sort
    by number, as TensorFlow sorts results by name.
    """
    return f"{kind}_{index:04}"


@dataclass(frozen=True, kw_only=True)
class TensorFlowSource(SourceModel):
    """A model as a function over TensorFlow's tensors.

    Traced graphs call their arguments and results by number, whatever the model's own names are:
    those may be no names in Python or TensorFlow, and are given to the files at the end.
    """

    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Graphs that were traced, by batch."""

    @abstractmethod
    def call(self, tensors: Sequence[Any]) -> list[Any]:
        """Outputs in order for one tensor (batch, …) for each input, in inference mode."""

    def traced_call(self, tensors: Sequence[Any]) -> list[Any]:
        """As `call` for a graph: the same values, in operators that more runtimes have."""
        return self.call(tensors)

    @property
    def layer_names(self) -> frozenset[str]:
        """Names by which a user knows parts of the graph."""
        return frozenset()

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        stored = [to_model(tensor, spec) for tensor, spec in zip(tensors, self.inputs, strict=True)]
        with self._calling():
            return [np.asarray(output) for output in self.call(stored)]

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Layers are somebody else's code and may raise anything; a model need not compute."""
        try:
            yield
        except (EdgeCNNError, MemoryError, OSError):
            raise
        except Exception as error:
            hint = "call it on a sample where it was built, fix what fails, and save it again"
            if "only supports the NHWC" in str(error):
                hint = "set TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported"
            message = f"{self.name} cannot be called: {first_line(error)}"
            raise InputError(message, hint=hint) from error

    def signature(self, batch: int | None) -> list[Any]:
        """TensorSpecs of the arguments, with a first dimension of `batch` (None: open)."""
        import tensorflow as tf

        return [
            tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, name=numbered("input", index))
            for index, spec in enumerate(self.inputs)
        ]

    def function(self) -> Callable[..., dict[str, Any]]:
        """The model as a Python function that a tracer understands."""

        def serve(*tensors: Any) -> dict[str, Any]:
            outputs = self.traced_call(tensors)
            return {numbered("output", index): output for index, output in enumerate(outputs)}

        names = [numbered("input", index) for index in range(len(self.inputs))]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, kind) for name in names]
        serve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return serve

    def traced(self, batch: int | None) -> Any:
        """The concrete function for a batch; traced once."""
        import tensorflow as tf

        if batch not in self._kept:
            function = tf.function(self.function(), input_signature=self.signature(batch))
            # Functions inside are then traced as plain Python: Keras 3 compiles grouped
            # convolutions by themselves, and such a function is not inlined.
            eagerly = tf.config.functions_run_eagerly()
            tf.config.run_functions_eagerly(self.has_functions)
            try:
                with self._calling():
                    self._kept[batch] = function.get_concrete_function()
            finally:
                tf.config.run_functions_eagerly(eagerly)
        return self._kept[batch]

    def tracked(self) -> Any:
        """What holds variables that the graph itself does not list."""
        return None

    @property
    def has_functions(self) -> bool:
        """Whether it calls functions that are to be traced as a part of it."""
        return False

    def for_tflite(self) -> TensorFlowSource:
        """The same model in terms that TFLite has."""
        return self

    def write_float(self, file_format: str, path: Path) -> None:
        from edgecnn.conversion.exporters.preflight import with_layers
        from edgecnn.conversion.exporters.tensorflow_to_onnx import write_float_onnx
        from edgecnn.conversion.exporters.tensorflow_to_tflite import write_float_tflite

        writers = {"tflite": write_float_tflite, "onnx": write_float_onnx}
        try:
            lookup("format", file_format, writers)(self, path)
        except InputError as error:
            raise with_layers(self.operations(file_format), error) from error

    def converter(self, file_format: str) -> tuple[str, tuple[str, ...]]:
        return lookup("format", file_format, _CONVERTERS)

    def proof_in_file(self) -> InferredInput | None:
        """What the float file proves: its first operators prove as much as layers do. (TFLite's
        converter folds a scale into the weights behind it, tf2onnx does not.)
        """
        from edgecnn.system import scratch

        if "proof" not in self._kept:
            self._kept["proof"] = None
            with scratch.folder() as folder:
                path = folder / "float32.onnx"
                try:
                    self.write_float("onnx", path)
                    self._kept["proof"] = infer_from_file(path)
                except EdgeCNNError:
                    pass  # each target says by itself why it cannot be made
        proof: InferredInput | None = self._kept["proof"]
        return proof

    def operations(self, file_format: str) -> tuple[Operation, ...]:
        """The operators that depend on the input, of the graph that is traced for a format."""
        from edgecnn.conversion.exporters.preflight import operations

        key = ("operations", file_format)
        if key not in self._kept:
            traced = self.traced(1 if file_format == "tflite" else None)
            self._kept[key] = operations(traced, self.layer_names)
        operators: tuple[Operation, ...] = self._kept[key]
        return operators

    def objection(self, target: Target) -> EdgeCNNError | None:
        from edgecnn.conversion.exporters.preflight import objection

        try:
            return objection(self, target)
        except EdgeCNNError as error:  # a model that cannot be called
            return error
