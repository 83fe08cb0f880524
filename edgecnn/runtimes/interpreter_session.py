"""The TFLite interpreter behind a Session: LiteRT and tflite-runtime share this API."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.signature import Signature
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Invocation, Session
from edgecnn.runtimes.declared import declared_inputs, declared_outputs, fixed_inputs
from edgecnn.runtimes.host import cpu_name, thread_count
from edgecnn.runtimes.precision import dominant
from edgecnn.tensor_spec import TensorSpec
from edgecnn.text import shortened

_XNNPACK = re.compile("xnnpack", re.I)
_COMPUTE = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "CONV_3D",
    "BATCH_MATMUL",
)


@dataclass(frozen=True)
class _Node:
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def load_interpreter(
    interpreter_class: Callable[..., Any],
    path: Path,
    options: RuntimeOptions,
    *,
    runtime_version: str,
) -> InterpreterSession:
    """Read a .tflite file, give open batch dimensions their size, and allocate.

    The interpreter applies XNNPACK by itself, where that takes the graph. Raises InputError for a
    file that is not a model, UnsupportedError for operators that this version does not know.
    """
    signature = read_signature(path)
    inputs = fixed_inputs(signature, options)
    declared_outputs(signature)  # text is refused here
    threads_before = thread_count()
    refused = ""
    try:
        interpreter = _allocated(interpreter_class, path, inputs, options)
    except (ValueError, RuntimeError) as error:
        if _XNNPACK.search(str(error)) is None:
            raise _explain(path, error, runtime_version) from error
        refused = shortened(str(error), 300)
        try:
            interpreter = _allocated(interpreter_class, path, inputs, options, delegates=False)
        except (ValueError, RuntimeError) as second:
            raise _explain(path, second, runtime_version) from second
    threads_after = thread_count()
    started = None
    if threads_before is not None and threads_after is not None:
        started = threads_after - threads_before
    session = InterpreterSession(interpreter, signature, options, runtime_version, started)
    if refused:
        details = {**session.effective.details, "xnnpack_refused": refused}
        session.effective = replace(session.effective, details=details)
    return session


def _allocated(
    interpreter_class: Callable[..., Any],
    path: Path,
    inputs: Sequence[TensorSpec],
    options: RuntimeOptions,
    *,
    delegates: bool = True,
) -> Any:
    """An interpreter with memory for its tensors; XNNPACK, which it takes by itself, may refuse a
    graph that TFLite's own kernels run (SPLIT in int8): without `delegates` it is left out.
    """
    more = {}
    if not delegates:
        kinds = sys.modules[interpreter_class.__module__].OpResolverType
        more["experimental_op_resolver_type"] = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = interpreter_class(model_path=str(path), num_threads=options.threads, **more)
    for detail, spec in zip(interpreter.get_input_details(), inputs, strict=True):
        if tuple(detail["shape"]) != spec.shape:
            interpreter.resize_tensor_input(detail["index"], spec.shape, strict=True)
    interpreter.allocate_tensors()
    return interpreter


class InterpreterSession(Session):
    """A model in a TFLite interpreter.

    The interpreter owns its input tensors, so that copying the bound input into it is part
    of every inference, as it is for any application. Outputs are views into the interpreter.
    """

    def __init__(
        self,
        interpreter: Any,
        signature: Signature,
        options: RuntimeOptions,
        runtime_version: str,
        threads_started: int | None,
    ) -> None:
        self.interpreter = interpreter
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self.inputs = _fixed(declared_inputs(signature), inputs)
        self.outputs = _fixed(declared_outputs(signature), outputs)
        self._input_indices = [int(detail["index"]) for detail in inputs]
        self._output_indices = [int(detail["index"]) for detail in outputs]
        nodes = _nodes(interpreter)
        original = [node for node in nodes if node.name != "DELEGATE"]
        delegates = [node for node in nodes if node.name == "DELEGATE"]
        delegated = _delegated(original, delegates)
        precision, counts, weights = _precision(original, interpreter)
        self.effective = Effective(
            provider="XNNPACK" if delegates else "TFLite kernels",
            precision=precision,
            device_name=cpu_name(),
            delegated_fraction=len(delegated) / len(original) if original else None,
            threads=options.threads,
            runtime_version=runtime_version,
            details={
                "compute_ops_by_precision": counts,
                "weights": weights,
                "partitions": len(delegates),
                "not_delegated": sorted(
                    {node.name for index, node in enumerate(original) if index not in delegated}
                ),
                "threads_started": threads_started,
            },
        )

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        # The wrapper's own methods: the public ones add a check of reference counts that
        # costs as much as an input copy, and refuses to run while a view of an output lives.
        wrapper = self.interpreter._interpreter  # noqa: SLF001
        invoke, set_tensor, view = wrapper.Invoke, wrapper.SetTensor, wrapper.tensor
        pairs = tuple(zip(self._input_indices, tensors, strict=True))
        for index, tensor in pairs:
            set_tensor(index, tensor)  # a wrong dtype or shape fails here, not in the clock
        outputs = tuple(self._output_indices)
        if len(pairs) == 1 and len(outputs) == 1:
            (index, tensor), output = pairs[0], outputs[0]

            def invoke_one() -> Sequence[Array]:
                set_tensor(index, tensor)
                try:  # costs nothing while nothing is raised
                    invoke()
                    return (view(wrapper, output),)
                except RuntimeError as error:
                    raise self._refusal(error) from error
                except ValueError:
                    return (self._viewed(output),)

            return invoke_one

        def invoke_all() -> Sequence[Array]:
            for index, tensor in pairs:
                set_tensor(index, tensor)
            try:
                invoke()
                return [view(wrapper, output) for output in outputs]
            except RuntimeError as error:
                raise self._refusal(error) from error
            except ValueError:
                return [self._viewed(output) for output in outputs]

        return invoke_all

    def infer(self, tensors: Sequence[Array], unchanged: Collection[int] = ()) -> Sequence[Array]:
        # Inputs stay as they are between inferences: the memory planner overwrites none of them.
        wrapper = self.interpreter._interpreter  # noqa: SLF001
        for place, (index, tensor) in enumerate(zip(self._input_indices, tensors, strict=True)):
            if place not in unchanged:
                wrapper.SetTensor(index, tensor)
        try:
            wrapper.Invoke()
        except RuntimeError as error:
            raise self._refusal(error) from error
        return [self._viewed(output) for output in self._output_indices]

    def _viewed(self, output: int) -> Array:
        """An output that may hold no values, which the wrapper does not view.

        Raises UnsupportedError for one that it cannot view otherwise.
        """
        wrapper = self.interpreter._interpreter  # noqa: SLF001
        try:
            view: Array = wrapper.tensor(wrapper, output)
        except ValueError as error:
            detail = self.interpreter._get_tensor_details(output, 0)  # noqa: SLF001
            if 0 not in detail["shape"]:
                raise self._refusal(error) from error
            return np.empty(detail["shape"], detail["dtype"])
        return view

    def _refusal(self, error: Exception) -> UnsupportedError:
        """For a model that loads and then cannot be run, with the operator that failed."""
        words = shortened(str(error), 600)
        return UnsupportedError(
            f"{self.effective.runtime_version} cannot run this model: {words}",
            hint="try another runtime, or convert the model without that operator",
        )


def _fixed(specs: Sequence[TensorSpec], details: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """The file's specs with the shapes that the interpreter allocated."""
    return tuple(
        replace(spec, shape=tuple(int(size) for size in detail["shape"]))
        for spec, detail in zip(specs, details, strict=True)
    )


def _explain(path: Path, error: Exception, version: str) -> InputError | UnsupportedError:
    """Turn the interpreter's words into one line: its first sentence that is not an echo."""
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
    operator = ("Didn't find op", "Unsupported", "not supported", "Encountered unresolved custom")
    if not any(phrase in str(error) for phrase in operator):
        return InputError(
            f"{path.name}: not a model {version} can load: {words}",
            hint="the file is damaged or incomplete",
        )
    hint = "a newer runtime may know the operator; otherwise convert the model without it"
    if "Select TensorFlow op" in words:
        hint = "convert the model without TensorFlow's own operators (SELECT_TF_OPS)"
    return UnsupportedError(f"{path.name}: {version} cannot run this model: {words}", hint=hint)


def _nodes(interpreter: Any) -> list[_Node]:
    return [
        _Node(
            str(detail["op_name"]),
            tuple(int(index) for index in detail["inputs"]),
            tuple(int(index) for index in detail["outputs"]),
        )
        for detail in interpreter._get_ops_details()  # noqa: SLF001 (the only way to the graph)
    ]


def _delegated(original: Sequence[_Node], delegates: Sequence[_Node]) -> set[int]:
    """Which original nodes run inside a delegate.

    The interpreter keeps replaced nodes and appends one DELEGATE for each partition. A node
    belongs to a partition when walking up from the partition's outputs reaches it before
    reaching one of the partition's inputs.
    """
    producer = {tensor: index for index, node in enumerate(original) for tensor in node.outputs}
    delegated: set[int] = set()
    for delegate in delegates:
        boundary = set(delegate.inputs)
        pending = list(delegate.outputs)
        while pending:
            tensor = pending.pop()
            index = producer.get(tensor)
            if index is None or index in delegated or tensor in boundary:
                continue
            delegated.add(index)
            pending.extend(original[index].inputs)
    return delegated


def _precision(
    nodes: Sequence[_Node], interpreter: Any
) -> tuple[str, dict[str, int], dict[str, int]]:
    """(dominant precision, count of compute nodes by precision, count by dtype of weights)."""
    dtypes = {
        int(detail["index"]): np.dtype(detail["dtype"]).name
        for detail in interpreter.get_tensor_details()
    }
    unpacked = {node.outputs[0]: node.inputs[0] for node in nodes if node.name == "DEQUANTIZE"}
    counts: dict[str, int] = {}
    weights: dict[str, int] = {}
    for node in nodes:
        if node.name not in _COMPUTE or len(node.inputs) < 2:
            continue
        # TRANSPOSE_CONV takes (output shape, weights, data), all others (data, weights).
        data_at = 2 if node.name == "TRANSPOSE_CONV" else 0
        data = dtypes.get(node.inputs[data_at], "")
        weight = dtypes.get(node.inputs[1], "")
        stored = dtypes.get(unpacked.get(node.inputs[1], node.inputs[1]), weight)
        precision = _executed(data, weight)
        counts[precision] = counts.get(precision, 0) + 1
        weights[stored] = weights.get(stored, 0) + 1
    inputs = interpreter.get_input_details()
    first = np.dtype(inputs[0]["dtype"]).name if inputs else "unknown"
    return dominant(counts, first), counts, weights


def _executed(data: str, weight: str) -> str:
    """The arithmetic of a kernel by the dtypes of its data and weights."""
    if data == "float32" and weight in ("int8", "int4", "uint8"):
        return "dynamic_int8"  # data are quantized on the fly, products are integer
    if data == "int16" and weight in ("int8", "int4"):
        return "int16x8"
    return data
