"""An ONNX Runtime session behind edgecnn's Session, and what its profile proves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgecnn.errors import UnsupportedError
from edgecnn.formats.recipes import recipe_in
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Invocation, Session
from edgecnn.runtimes.onnxruntime import errors
from edgecnn.runtimes.onnxruntime.values import TEXT, as_array
from edgecnn.runtimes.precision import dominant
from edgecnn.runtimes.tensors import guess_layout
from edgecnn.system import scratch
from edgecnn.tensor_spec import TensorSpec

_CPU = "CPUExecutionProvider"
_OTHER_SHAPE = "OrtValue provided for output"
_TENSORRT_ENGINE = "TRTKernel_"
"""How nodes are called that TensorRT has fused into one."""
_FLOAT_OPERATORS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
_PROFILE_DTYPES = {"float": "float32", "double": "float64"}


class ONNXRuntimeSession(Session):
    """A model in ONNX Runtime.

    On the CPU inputs and outputs are bound beforehand (I/O binding: 27 µs for LeNet-5 where
    `run` takes 30), on other devices `run` copies them there and back inside the inference.
    """

    def __init__(
        self,
        ort: ModuleType,
        session: Any,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        *,
        places: tuple[int, ...],
        holders: Mapping[str, Callable[[Array], Any]],
        profiled: Callable[[str], Any],
        device_name: str,
        tf32: bool,
        path: Path,
        may_overflow: bool,
        threads_started: int | None,
    ) -> None:
        self._ort = ort
        self._session = session
        self.profiled = profiled
        self._device_name = device_name
        self._tf32 = tf32
        self._path = path
        self._may_overflow = may_overflow
        self._fed: Mapping[str, Any] = {}
        self._surprising = False
        """Whether an output had another shape than the file declares: its size is a matter of
        values. A binding would refuse the next inference then."""
        self._threads_started = threads_started
        self._provider = str(session.get_providers()[0])
        self.inputs = inputs
        # ONNX Runtime infers output shapes from the batch it was given; what stays open
        # (a number of detections, say) has a name or None here.
        inferred = [
            tuple(size if isinstance(size, int) and size >= 0 else None for size in output.shape)
            for output in session.get_outputs()
        ]
        self.outputs = tuple(
            replace(spec, shape=inferred[place], layout=guess_layout(inferred[place]))
            if inferred[place] or not spec.shape
            else spec
            for spec, place in zip(outputs, places, strict=True)
        )
        every = session.get_outputs()
        self._holders = holders
        texts = any(spec.dtype == TEXT for spec in inputs)
        self._objects = (
            bool(holders) or texts or any(not output.type.startswith("tensor(") for output in every)
        )
        self._objects |= any(output.type == "tensor(string)" for output in every)
        self._places = places
        self._left_out = [
            f"{output.name} ({output.type})"
            for place, output in enumerate(every)
            if place not in places
        ]

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        names = [spec.name for spec in self.outputs]
        feed: dict[str, Any] = {
            spec.name: self._holders[spec.name](tensor) if spec.name in self._holders else tensor
            for spec, tensor in zip(self.inputs, tensors, strict=True)
        }
        self._fed = feed
        session = self._session._sess  # noqa: SLF001 (the wrapper adds a microsecond of checks)
        if self._objects:
            return self._bind_objects(session, feed)
        if self._provider != _CPU or self._surprising:
            return self._bind_copies(session, names, feed)
        return self._bind_on_cpu(session, feed)

    def _bind_copies(
        self, session: Any, names: Sequence[str], feed: Mapping[str, Array]
    ) -> Invocation:
        """Inputs are copied to the device and outputs back inside of the inference, and so are
        outputs whose sizes a binding does not take.
        """
        run, failures = session.run, errors.running_failures()

        def invoke() -> Sequence[Array]:
            try:  # costs nothing while nothing is raised
                return run(names, feed, None)  # type: ignore[no-any-return]
            except failures as error:
                raise self._refusal(error) from error

        return invoke

    def _bind_objects(self, session: Any, feed: Mapping[str, Array]) -> Invocation:
        """All outputs are made, those that hold numbers are returned (see `values`)."""
        names = [output.name for output in self._session.get_outputs()]
        places, failures = self._places, errors.running_failures()

        def invoke() -> Sequence[Array]:
            try:
                outputs = session.run(names, feed, None)
            except failures as error:
                raise self._refusal(error) from error
            return [as_array(outputs[place]) for place in places]

        return invoke

    def _bind_on_cpu(self, session: Any, feed: Mapping[str, Array]) -> Invocation:
        value, failures = self._ort.OrtValue, errors.running_failures()
        binding = self._session.io_binding()
        for name, tensor in feed.items():
            binding.bind_ortvalue_input(name, value.ortvalue_from_numpy(tensor))
        # A shape () stands for a scalar, and for an output of open rank.
        fixed = all(spec.shape and None not in spec.shape for spec in self.outputs)
        outputs: list[Array] = []
        for spec in self.outputs:
            if fixed:
                outputs.append(np.empty([size or 0 for size in spec.shape], spec.dtype))
                binding.bind_ortvalue_output(spec.name, value.ortvalue_from_numpy(outputs[-1]))
            else:
                binding.bind_output(spec.name, "cpu")
        run, bound = session.run_with_iobinding, binding._iobinding  # noqa: SLF001 (as above)
        copies = bound.copy_outputs_to_cpu

        # The binding only points to the memory of these arrays, so that the closures keep it.
        def invoke_fixed(_inputs: object = feed) -> Sequence[Array]:
            try:
                run(bound, None)
            except failures as error:
                if _OTHER_SHAPE not in str(error):
                    raise self._refusal(error) from error
                self._surprising = True
                return self._bind_copies(session, [spec.name for spec in self.outputs], feed)()
            return outputs

        def invoke_open(_inputs: object = feed) -> Sequence[Array]:
            try:
                run(bound, None)
            except failures as error:
                raise self._refusal(error) from error
            return copies()  # type: ignore[no-any-return]

        return invoke_fixed if fixed else invoke_open

    def _refusal(self, error: Exception) -> UnsupportedError:
        """For a model that loads and then cannot be run, with the operator that failed."""
        return UnsupportedError(
            f"onnxruntime {self._ort.__version__} cannot run this model: {errors.one_line(error)}",
            hint="try another runtime, or convert the model without that operator",
        )

    @cached_property
    def effective(self) -> Effective:  # type: ignore[override]  # (computed when first asked for)
        """What executes, from the profile of one inference in a second session.

        Optimized graphs are not available without writing them out and parsing
        them. Ask after measuring: it loads the model once more.
        """
        nodes = self._profile()
        counts: Counter[str] = Counter()
        for node in nodes:
            if precision := _precision(node):
                tf32 = self._tf32 and precision == "float32" and node["provider"] != _CPU
                counts["tf32" if tf32 else precision] += 1
        engines = sum(str(node["op_name"]).startswith(_TENSORRT_ENGINE) for node in nodes)
        if engines:
            counts[self._in_engines()] += engines
        on_provider = sum(node["provider"] == self._provider for node in nodes)
        elsewhere = [node for node in nodes if node["provider"] != self._provider]
        return Effective(
            provider=self._provider,
            precision=self._in_engines() if engines else dominant(counts, self._first_dtype()),
            device_name=self._device_name,
            delegated_fraction=on_provider / len(nodes) if nodes else None,
            threads=int(self._session.get_session_options().intra_op_num_threads),
            runtime_version=f"onnxruntime {self._ort.__version__}",
            details={
                "compute_ops_by_precision": dict(counts),
                "operators": dict(Counter(node["op_name"] for node in nodes)),
                "not_delegated": sorted({node["op_name"] for node in elsewhere}),
                "nodes_elsewhere": dict(Counter(node["provider"] for node in elsewhere)),
                "threads_started": self._threads_started,
                "providers": list(self._session.get_providers()),
                **({"outputs_left_out": self._left_out} if self._left_out else {}),
                **({"int8_sums": "int16"} if self._may_overflow else {}),
            },
        )

    def _in_engines(self) -> str:
        """The precision inside of TensorRT's engines, whose layers no profile shows: that of
        float32 files follows from the options, of others TensorRT decides.
        """
        if recipe_in(self._path) != "float32":
            return "unknown"
        return "tf32" if self._tf32 else "float32"

    def _first_dtype(self) -> str:
        first = self.inputs[0].dtype if self.inputs else TEXT
        return "unknown" if first == TEXT else first

    def _profile(self) -> list[dict[str, Any]]:
        """The arguments of each executed node: operator, provider, dtypes in and out."""
        with scratch.folder() as folder:
            session = self.profiled(str(folder / "profile"))
            zeros = {
                spec.name: np.zeros([size or 1 for size in spec.shape], spec.dtype)
                for spec in self.inputs
            }
            session.run(None, self._fed or zeros)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return [
            event["args"]
            for event in events
            if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
        ]


def _precision(node: Mapping[str, Any]) -> str | None:
    """The arithmetic of one executed node, None for nodes that compute no products."""
    operator = str(node["op_name"])
    if operator.startswith("QLinear") and operator.removeprefix("QLinear") in _FLOAT_OPERATORS:
        return "int8"
    if operator in ("QGemm", "QAttention"):
        return "int8"
    if operator in ("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat"):
        return "dynamic_int8"
    if operator.startswith("DynamicQuantize") and operator != "DynamicQuantizeLinear":
        return "dynamic_int8"
    plain = operator.removeprefix("Nhwc").removeprefix("Fused").removesuffix("Fusion")
    if plain not in _FLOAT_OPERATORS:
        return None
    inputs = node.get("input_type_shape") or [{}]
    dtype = next(iter(inputs[0]), "")
    return _PROFILE_DTYPES.get(dtype, dtype) or None
