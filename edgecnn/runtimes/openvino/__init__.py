"""OpenVINO on Intel (and other x86 and ARM) processors and on Intel GPUs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.formats.kinds import format_of
from edgecnn.registry import lookup, require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, OperatorTime, Runtime, Session
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs
from edgecnn.runtimes.host import adds_int8_in_16_bits, cpu_name
from edgecnn.runtimes.openvino import operator_times as operators
from edgecnn.runtimes.openvino import translators
from edgecnn.runtimes.precision import dominant
from edgecnn.runtimes.tensors import guess_layout
from edgecnn.tensor_spec import TensorSpec
from edgecnn.text import shortened

_PRECISIONS = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "i8": "int8",
    "u8": "int8",
}
_NO_RULE = re.compile(
    r"No conversion rule found for operations: ([^\n]+)|No translator found for (\S+) node"
)
_PRECISION = "INFERENCE_PRECISION_HINT"
_COMPUTE = ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "RNNSeq", "RNNCell")


Declared = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""Inputs and outputs."""


class OpenVINO(Runtime):
    """OpenVINO, one stream, tuned for latency.

    By default it computes float32 models in bfloat16 where the processor has instructions for
    it (AVX512_BF16, AMX), and in float16 on GPUs; precision "strict_float32" forbids that.
    """

    name: ClassVar[str] = "openvino"
    formats: ClassVar[tuple[str, ...]] = ("onnx", "tflite")
    devices: ClassVar[tuple[str, ...]] = ("cpu", "gpu")
    extra: ClassVar[str] = "openvino"

    @classmethod
    def find(cls, device: str) -> Availability:
        openvino = require("openvino", cls.extra)
        version = str(openvino.__version__).partition("-")[0]
        core = openvino.Core()
        devices = [name for name in core.available_devices if name.startswith(device.upper())]
        if not devices:
            return Availability(
                False,
                f"OpenVINO finds no {device.upper()} here "
                f"(it finds: {', '.join(core.available_devices) or 'nothing'})",
                "an Intel GPU needs Intel's compute runtime (Debian: intel-opencl-icd)",
                version,
            )
        name = cpu_name()
        if device != "cpu":
            name = str(core.get_property(devices[0], "FULL_DEVICE_NAME"))
        return Availability(True, version=version, device_name=name)

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        require("openvino", cls.extra)
        inputs, outputs = _declared(path, options)
        availability = cls.available(device)
        compiled, notes = _compile(path, device, options, inputs)
        return OpenVINOSession(
            compiled, inputs, outputs, options, availability=availability, notes=notes
        )

    @classmethod
    def profile(
        cls,
        path: Path,
        device: str,
        options: RuntimeOptions,
        tensors: Sequence[Sequence[Array]],
        inferences: int,
    ) -> list[OperatorTime]:
        inputs, _ = _declared(path, options)
        compiled, _ = _compile(path, device, options, inputs, PERF_COUNT=True)
        return operators.profile(compiled, device, tensors, inferences)


class OpenVINOSession(Session):
    """A model compiled by OpenVINO, with one infer request, as in an application.

    The request works on the caller's memory: neither inputs nor outputs are copied. A request for
    each bound input would have activations of its own: their memory, cold in every inference,
    makes ResNet-18 in bfloat16 10% slower.
    """

    def __init__(
        self,
        compiled: Any,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        options: RuntimeOptions,
        *,
        availability: Availability,
        notes: Mapping[str, str],
    ) -> None:
        self.inputs = _with_shapes(inputs, compiled.inputs)
        self.outputs = _with_shapes(outputs, compiled.outputs)
        self._request = compiled.create_infer_request()
        self._written = self._own_outputs()
        graph = [_layer(node) for node in compiled.get_runtime_model().get_ordered_ops()]
        counts = Counter(precision for layer in graph if (precision := _computed(layer)))
        executed = Counter(
            f"{layer['type']} {layer['precision']}"
            for layer in graph
            if layer["type"] not in ("Const", "Input", "Output")
        )
        devices = [str(name) for name in compiled.get_property("EXECUTION_DEVICES")]
        on_cpu = devices == ["CPU"]
        self.effective = Effective(
            provider=f"OpenVINO {'+'.join(devices)}",
            precision=dominant(counts, self.inputs[0].dtype if self.inputs else "unknown"),
            device_name=availability.device_name,
            delegated_fraction=1.0,  # a device compiles the whole graph or refuses it
            threads=int(compiled.get_property("INFERENCE_NUM_THREADS")) if on_cpu else None,
            runtime_version=f"OpenVINO {availability.version}",
            details={
                "compute_ops_by_precision": dict(counts),
                "layers": dict(executed),
                "asked_precision": options.precision,
                "streams": int(compiled.get_property("NUM_STREAMS")),
                **({"int8_sums": "int16"} if on_cpu and _may_overflow(counts) else {}),
                **notes,
            },
        )

    def _own_outputs(self) -> list[Array] | None:
        """Host arrays that every inference writes; None where their shapes depend on the input."""
        if any(None in spec.shape for spec in self.outputs):
            return None
        tensor = require("openvino", "openvino").Tensor
        outputs = [
            np.empty([size or 0 for size in each.shape], each.dtype) for each in self.outputs
        ]
        for index, array in enumerate(outputs):
            self._request.set_output_tensor(index, tensor(array, shared_memory=True))
        return outputs

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        tensor = require("openvino", "openvino").Tensor
        # The native call: the Python one adds 1 µs of dispatch.
        infer = require("openvino._pyopenvino", "openvino").InferRequest.infer
        request, count = self._request, len(self.outputs)
        inputs = list(tensors)
        shared = [tensor(array, shared_memory=True) for array in inputs]
        given = shared[0] if len(shared) == 1 else dict(enumerate(shared))

        def invoke_open(_inputs: object = inputs) -> Sequence[Array]:
            try:  # costs nothing while nothing is raised
                infer(request, given, True, False)
            except RuntimeError as error:
                raise _refusal(error) from error
            return [request.get_output_tensor(index).data for index in range(count)]

        if self._written is None:
            return invoke_open
        outputs = self._written

        def invoke_fixed(_inputs: object = inputs) -> Sequence[Array]:
            try:
                infer(request, given, True, False)
            except RuntimeError as error:
                raise _refusal(error) from error
            return outputs

        return invoke_fixed


def _declared(path: Path, options: RuntimeOptions) -> Declared:
    """Inputs and outputs as the file declares them: OpenVINO forgets how they are quantized."""
    known = format_of(path, "format of OpenVINO").name
    lookup("format of OpenVINO", known, {each: each for each in OpenVINO.formats})
    signature = read_signature(path)
    return fixed_inputs(signature, options), declared_outputs(signature)


def _compile(
    path: Path,
    device: str,
    options: RuntimeOptions,
    inputs: Sequence[TensorSpec],
    **settings: Any,
) -> tuple[Any, dict[str, str]]:
    """(compiled model, what was set beyond what the options ask)."""
    openvino = require("openvino", OpenVINO.extra)
    core = openvino.Core()
    for extension in translators.extensions(read_signature(path).operators):
        core.add_extension(extension)
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, **settings}
    if device == "cpu":
        config["INFERENCE_NUM_THREADS"] = options.threads
    if options.precision == "strict_float32":
        config[_PRECISION] = "f32"
    try:
        if any(port.get_partial_shape().is_dynamic for port in model.inputs):
            model.reshape(
                {
                    port: openvino.PartialShape(list(spec.shape))
                    for port, spec in zip(model.inputs, inputs, strict=True)
                }
            )
        compiled, added, notes = _compile_in_some_precision(core, model, device, config)
        if device == "cpu" and _fused_wrongly(model, compiled):
            config |= {**added, "SNIPPETS_MODE": "DISABLE"}
            compiled = core.compile_model(model, "CPU", config)
            notes |= {"snippets": "disabled: wrong for chains of quantized dense layers"}
        return compiled, notes
    except RuntimeError as error:
        raise UnsupportedError(
            f"{path.name}: OpenVINO cannot compile it for {device.upper()}: {_cause(error)}",
            hint="try another runtime, or another target at conversion",
        ) from error


def _compile_in_some_precision(
    core: Any, model: Any, device: str, config: Mapping[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, str]]:
    """(compiled model, settings beyond `config`, what to report about them).

    Where a processor computes bfloat16 by itself (AMX), 2026.4.1 has no such kernel for the
    float layers of some int8 networks, and no way back to float32 of its own.
    """
    try:
        return core.compile_model(model, device.upper(), dict(config)), {}, {}
    except RuntimeError as error:
        if (
            device != "cpu"
            or _PRECISION in config
            or "No suitable implementations" not in str(error)
        ):
            raise
    added = {_PRECISION: "f32"}
    compiled = core.compile_model(model, "CPU", {**config, **added})
    return compiled, added, {"bfloat16": "off: OpenVINO has no such kernel for this network"}


def _fused_wrongly(model: Any, compiled: Any) -> bool:
    """Whether quantized dense layers were fused with each other, which is wrong in 2026.4.1.

    On one thread two quantized MatMul of up to a few hundred channels in a row (LeNet-5's
    120 → 84 → 10) become one code snippet, whose outputs are off by 14 where the largest is 1.
    Without snippets the same model answers exactly, and takes 96 µs instead of 36.
    """
    types = Counter(node.get_type_name() for node in model.get_ops())
    executed = [_layer(node)["type"] for node in compiled.get_runtime_model().get_ops()]
    dense = sum(kind in ("FullyConnected", "MatMul") for kind in executed)
    return types["FakeQuantize"] > 0 and dense < types["MatMul"]


def _with_shapes(specs: Sequence[TensorSpec], ports: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, shape=shape, layout=spec.layout or guess_layout(shape, spec.dtype))
        for spec, shape in zip(specs, map(_shape, ports), strict=True)
    )


def _shape(port: Any) -> tuple[int | None, ...]:
    sizes = port.get_partial_shape()
    return tuple(size.get_length() if size.is_static else None for size in sizes)


def _layer(node: Any) -> dict[str, str]:
    """Type and precision of an executed layer, and the precision of the data it receives."""
    info = node.get_rt_info()
    sources = [value.get_node().get_rt_info() for value in node.input_values()]
    received = sources[0]["outputPrecisions"].astype(str) if sources else ""
    return {
        "type": info["layerType"].astype(str),
        "precision": info["runtimePrecision"].astype(str),
        "received": received.partition(",")[0],
    }


def _computed(layer: Mapping[str, str]) -> str | None:
    if layer["type"] not in _COMPUTE:
        return None
    precision = _PRECISIONS.get(layer["precision"], layer["precision"])
    if precision == "int8" and layer["received"] not in ("i8", "u8"):
        return "dynamic_int8"  # float data, quantized inside the layer
    return precision


def _may_overflow(counts: Mapping[str, int]) -> bool:
    return adds_int8_in_16_bits() and bool(counts.get("int8") or counts.get("dynamic_int8"))


def _unreadable(path: Path, error: Exception) -> InputError | UnsupportedError:
    """OpenVINO lists the operators that it does not know; anything else is the file's fault."""
    signature = read_signature(path)
    versions = f" (the file has {signature.versions})" if signature.opsets else ""
    unknown = _NO_RULE.search(str(error))
    if unknown:
        names = (unknown[1] or unknown[2]).strip()
        return UnsupportedError(
            f"{path.name}: OpenVINO does not run the operators {names}{versions}",
            hint="try another runtime, or convert the model without them",
        )
    return InputError(
        f"{path.name}: not a model OpenVINO can read: {_cause(error)}{versions}",
        hint="the file is damaged, or uses operators that OpenVINO does not know",
    )


def _refusal(error: Exception) -> UnsupportedError:
    """For a model that compiles and then cannot be run."""
    return UnsupportedError(
        f"OpenVINO cannot run this model: {_cause(error)}",
        hint="try another runtime, or convert the model without that operator",
    )


def _cause(error: Exception) -> str:
    """The last line of OpenVINO's report: those before it say where in its source it arose."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shortened(lines[-1], 600) if lines else repr(error)
