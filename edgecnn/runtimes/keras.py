"""Keras as a runtime: the model before conversion."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from edgecnn.errors import InputError
from edgecnn.formats.signature import Signature, Value
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.cuda import first_device, multiplies_in_tf32
from edgecnn.runtimes.declared import fixed_inputs
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.precision import dominant
from edgecnn.runtimes.sequences import SequenceSession, decoding_for, graph_options
from edgecnn.runtimes.tensors import name_axes
from edgecnn.sequences.graphs import is_sequence_model, parts_of
from edgecnn.sequences.search import Decoding
from edgecnn.tensor_spec import TensorSpec

_GPU_HINT = "install the NVIDIA driver and tensorflow[and-cuda]"
_COMPUTE = ("Conv", "DepthwiseConv", "SeparableConv", "Dense", "EinsumDense")


class Keras(Runtime):
    """A .keras file in Keras, as fast as its backend goes without conversion.

    With TensorFlow that is a `tf.function` of one signature; with another backend a plain
    call of the model.
    """

    name: ClassVar[str] = "keras"
    formats: ClassVar[tuple[str, ...]] = ("keras",)
    devices: ClassVar[tuple[str, ...]] = ("cpu", "gpu")
    extra: ClassVar[str] = "train"

    @classmethod
    def find(cls, device: str) -> Availability:
        if device != "cpu" and find_spec("keras") is not None and not _has_gpu_driver():
            return Availability(False, "no driver of a GPU on this machine", _GPU_HINT)
        keras = _keras()
        version = str(keras.__version__)
        if device == "cpu":
            return Availability(True, version=version, device_name=cpu_name())
        gpu = _gpu_name(keras)
        if gpu is None:
            return Availability(
                False,
                f"Keras's backend {keras.backend.backend()} finds no GPU",
                _GPU_HINT,
                version,
            )
        return Availability(True, version=version, device_name=gpu)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        from edgecnn.keras_files import load_keras

        cls.check_device(device)
        keras = _keras()
        _set_threads(keras, options.threads)
        availability = cls.available(device)
        backend = str(keras.backend.backend())
        if backend == "tensorflow" and options.precision == "strict_float32":
            _tensorflow().config.experimental.enable_tensor_float_32_execution(False)
        model = load_keras(path)
        if is_sequence_model(model):
            return _sequence(keras, model, device, options, availability)
        if not getattr(model, "inputs", None):
            raise InputError(
                f"{path.name}: the model does not say what it takes",
                hint="call it once on data, or give its first layer a shape, before saving",
            )
        return KerasSession(keras, model, device, options, availability)


def _sequence(
    keras: ModuleType,
    model: Any,
    device: str,
    options: RuntimeOptions,
    availability: Availability,
) -> SequenceSession:
    """The trained graph taken apart: its encoder, and a step with a row for each hypothesis."""
    parts = parts_of(model)
    decoding = decoding_for(options, Decoding())
    encoder, step = (
        KerasSession(keras, graph, device, graph_options(options, rows), availability)
        for graph, rows in ((parts.encoder, 1), (parts.step, decoding.beam))
    )
    names = dict(zip([spec.name for spec in encoder.outputs], parts.memory, strict=True))
    encoder.outputs = tuple(replace(spec, name=names[spec.name]) for spec in encoder.outputs)
    return SequenceSession(
        encoder,
        step,
        decoding=decoding,
        memory=parts.memory,
        options=options,
        fields=(parts.reads, parts.writes),
    )


def _has_gpu_driver() -> bool:
    """Whether a GPU may be there: asked before a backend is imported, which takes seconds."""
    if not sys.platform.startswith("linux"):
        return True
    if any(Path(place).exists() for place in ("/dev/kfd", "/dev/dri", "/dev/nvidiactl")):
        return True
    return not isinstance(first_device(), str)


class KerasSession(Session):
    """A Keras model called with training=False; the result is a numpy array on the host."""

    def __init__(
        self,
        keras: ModuleType,
        model: Any,
        device: str,
        options: RuntimeOptions,
        availability: Availability,
    ) -> None:
        self._keras, self._model = keras, model
        self._backend = str(keras.backend.backend())
        self._device = "/CPU:0" if device == "cpu" else "/GPU:0"
        self.inputs = tuple(
            replace(spec, layout=_layout(model, spec.shape, spec.dtype))
            for spec in fixed_inputs(_signature(model), options)
        )
        batch = self.inputs[0].shape[0] if self.inputs[0].shape else options.batch
        self.outputs = tuple(
            TensorSpec(
                str(tensor.name),
                (batch, *tensor.shape[1:]),
                str(tensor.dtype),
                _layout(model, tensor.shape),
            )
            for tensor in model.outputs
        )
        self._function = self._compile()
        policies = Counter(
            str(layer.compute_dtype)
            for layer in model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
            if type(layer).__name__.startswith(_COMPUTE)
        )
        precision = dominant(policies, self.inputs[0].dtype)
        if precision == "float32" and device == "gpu" and _tf32_allowed(self._backend):
            precision = "tf32"
        self.effective = Effective(
            provider=f"Keras ({self._backend})",
            precision=precision,
            device_name=availability.device_name,
            delegated_fraction=1.0,
            threads=_threads(self._backend),
            runtime_version=f"keras {keras.__version__} with {self._backend} {_version(keras)}",
            details={"compute_ops_by_precision": dict(policies)},
        )

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        function = self._function
        if self._backend != "tensorflow":
            to_numpy, convert = self._keras.ops.convert_to_numpy, self._keras.ops.convert_to_tensor
            inputs = [convert(tensor) for tensor in tensors]
            return lambda: [to_numpy(output) for output in function(*inputs)]
        tensorflow = _tensorflow()
        with tensorflow.device("/CPU:0"):  # a GPU fetches them inside the inference
            inputs = [tensorflow.constant(tensor) for tensor in tensors]
        return lambda: [output.numpy() for output in function(*inputs)]

    def _compile(self) -> Callable[..., Sequence[Any]]:
        model, tree = self._model, self._keras.tree
        structure = getattr(model, "input", None) if len(self.inputs) > 1 else None

        def call(*tensors: Any) -> Sequence[Any]:
            packed: Any = tensors[0]
            if structure is not None:
                packed = tree.pack_sequence_as(structure, list(tensors))
            return tree.flatten(model(packed, training=False))  # type: ignore[no-any-return]

        if self._backend != "tensorflow":
            return call
        tensorflow = _tensorflow()
        signature = [
            tensorflow.TensorSpec(spec.shape, spec.dtype, name=f"input_{index}")
            for index, spec in enumerate(self.inputs)
        ]
        with tensorflow.device(self._device):
            return tensorflow.function(call).get_concrete_function(*signature)  # type: ignore[no-any-return]


def _keras() -> ModuleType:
    from edgecnn.keras_files import import_keras

    return import_keras()


def _tensorflow() -> Any:
    import tensorflow as tf

    return tf


def _set_threads(keras: ModuleType, threads: int) -> None:
    """Before TensorFlow starts; later it keeps what it has, which `effective.threads` reports."""
    if keras.backend.backend() != "tensorflow":
        return
    threading = _tensorflow().config.threading
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # "cannot be modified after initialization": it runs already
        return


def _threads(backend: str) -> int | None:
    """Threads inside an operator; TensorFlow's 0 stands for all processors."""
    if backend != "tensorflow":
        return None
    asked = int(_tensorflow().config.threading.get_intra_op_parallelism_threads())
    return asked or os.cpu_count()


def _gpu_name(keras: ModuleType) -> str | None:
    if keras.backend.backend() != "tensorflow":
        return None
    config = _tensorflow().config
    devices = config.list_physical_devices("GPU")
    if not devices:
        return None
    details = config.experimental.get_device_details(devices[0])
    return str(details.get("device_name", devices[0].name))


def _tf32_allowed(backend: str) -> bool:
    if backend != "tensorflow" or not multiplies_in_tf32():
        return False
    return bool(_tensorflow().config.experimental.tensor_float_32_execution_enabled())


def _version(keras: ModuleType) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(str(keras.backend.backend()))
    except PackageNotFoundError:
        return "of unknown version"


def _signature(model: Any) -> Signature:
    """What the loaded model takes, and the classes of its layers."""
    layers = model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
    return Signature(
        tuple(Value(str(each.name), str(each.dtype), tuple(each.shape)) for each in model.inputs),
        (),
        Counter(type(layer).__name__ for layer in layers),
        channels_last=not _keeps_channels_first(model),
        batched=True,
    )


def _layout(model: Any, shape: Sequence[int | None], dtype: str = "float32") -> str:
    """By what the model's layers say; one that mixes both takes channels last, Keras's default."""
    layout = name_axes(len(shape), dtype)
    if len(shape) > 2 and layout and _keeps_channels_first(model):
        return f"NC{layout[1:-1]}"
    return layout


def _keeps_channels_first(model: Any) -> bool:
    formats = {
        str(layer.data_format)
        for layer in model._flatten_layers(include_self=False, recursive=True)  # noqa: SLF001
        if hasattr(layer, "data_format")
    }
    return formats == {"channels_first"}
