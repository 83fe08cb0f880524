"""ncnn on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from edgecnn.errors import InputError, UnsupportedError
from edgecnn.formats import ncnn as files
from edgecnn.formats.check import check_model_path, read_signature
from edgecnn.formats.wire.ncnn import COMPUTING
from edgecnn.registry import require
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Availability, Invocation, Runtime, Session
from edgecnn.runtimes.declared import declared_outputs, fixed_inputs
from edgecnn.runtimes.host import cpu_name
from edgecnn.runtimes.precision import dominant
from edgecnn.system.native_output import captured_stderr
from edgecnn.tensor_spec import TensorSpec
from edgecnn.text import shortened

_HALF_OPTIONS = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage"),
)
_REPORTED_OPTIONS = (
    *_HALF_OPTIONS,
    "use_int8_inference",
    "use_winograd_convolution",
    "use_sgemm_convolution",
    "use_packing_layout",
)
_HALF_WEIGHTS_ON_X86 = {"InnerProduct", "LSTM", "GRU", "RNN"}
_HALF_WEIGHTS_ON_ARM = {"InnerProduct"}
"""Layers whose weights ncnn rounds to float16 by default: with F16C, and with VFPv4."""


class NCNN(Runtime):
    """Tencent's ncnn. It has no batch axis: one sample at a time.

    By default it uses float16 where the processor has instructions for it: everything is kept and
    computed in it on ARM with half-precision arithmetic (asimdhp, from ARMv8.2 on); on other ARM
    the weights of dense layers are rounded to it (a Raspberry Pi 3 or 4), on x86 those of dense
    and recurrent layers. Precision "strict_float32" forbids that.
    """

    name: ClassVar[str] = "ncnn"
    formats: ClassVar[tuple[str, ...]] = ("ncnn",)
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    extra: ClassVar[str] = "ncnn"

    @classmethod
    def find(cls, device: str) -> Availability:  # noqa: ARG003 (there is one)
        ncnn = require("ncnn", cls.extra)
        return Availability(True, version=str(ncnn.__version__), device_name=cpu_name())

    @classmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        cls.check_device(device)
        ncnn = require("ncnn", cls.extra)
        path = check_model_path(path)
        signature = read_signature(path)
        inputs = fixed_inputs(signature, options)
        network = files.read(path)
        refuse_missing(ncnn, path.name, network)
        net = ncnn.Net()
        net.opt.num_threads = options.threads
        if options.precision == "strict_float32":
            forbid_half(net.opt)
        with captured_stderr() as said:
            failed = net.load_param(str(path)) or net.load_model(str(files.weights_path(path)))
        if failed:
            reason = shortened(said[-1], 300) if said else f"code {failed}"
            raise InputError(
                f"{path.name}: ncnn {ncnn.__version__} cannot load it: {reason}",
                hint="the file is damaged, or made for another version of ncnn",
            )
        return NCNNSession(ncnn, net, network, inputs, declared_outputs(signature))


class NCNNSession(Session):
    """A network in ncnn. Each inference has an extractor of its own, as in an application."""

    def __init__(
        self,
        ncnn: ModuleType,
        net: Any,
        network: files.Network,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        self._ncnn, self._net, self._network = ncnn, net, network
        self.inputs, self.outputs = inputs, outputs

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        # A copy of ncnn's own: it aligns rows, and layers that work in place leave it alone.
        given = [
            (spec.name, self._ncnn.Mat(array[0] if array.ndim > 1 else array).clone())
            for spec, array in zip(self.inputs, tensors, strict=True)
        ]
        names = [spec.name for spec in self.outputs]
        extractor_of, asarray = self._net.create_extractor, np.asarray

        def invoke() -> Sequence[Array]:
            extractor = extractor_of()
            for name, mat in given:
                extractor.input(name, mat)
            answers = []
            for name in names:
                failed, mat = extractor.extract(name)
                if failed:
                    raise _not_computed(name, failed)
                answers.append(asarray(mat)[None])
            return answers

        return invoke

    @property
    def effective(self) -> Effective:  # type: ignore[override]
        """What executes, by the file and by ncnn's options as they are."""
        options = self._net.opt
        counts = Counter(
            _computed(self._ncnn, options, layer.type, layer.precision)
            for layer in self._network.layers
            if layer.type in COMPUTING
        )
        options_used = {
            name: bool(getattr(options, name))
            for name in _REPORTED_OPTIONS
            if hasattr(options, name)
        }
        return Effective(
            provider="ncnn CPU",
            precision=dominant(counts, "float32"),
            device_name=cpu_name(),
            delegated_fraction=1.0,  # it runs the whole network or refuses it
            threads=int(options.num_threads),
            runtime_version=f"ncnn {self._ncnn.__version__}",
            details={
                "compute_ops_by_precision": dict(counts),
                "layers": dict(Counter(layer.type for layer in self._network.layers)),
                "options": options_used,
            },
        )


def forbid_half(options: Any) -> None:
    """Have ncnn keep and compute floats in float32 alone."""
    for name in _HALF_OPTIONS:
        if hasattr(options, name):
            setattr(options, name, False)


def refuse_missing(ncnn: ModuleType, name: str, network: files.Network) -> None:
    """Raise UnsupportedError for layers that ncnn does not have: converters leave some over."""
    missing = [layer for layer in network.layers if ncnn.layer_to_index(layer.type) < 0]
    if missing:
        kinds = ", ".join(dict.fromkeys(layer.type for layer in missing))
        raise UnsupportedError(
            f"{name}: ncnn {ncnn.__version__} has no layer for {kinds} (first: {missing[0].name})",
            hint="another target may take the model, or build it without that operation",
        )


def _not_computed(name: str, code: int) -> UnsupportedError:
    return UnsupportedError(
        f"ncnn cannot compute {name!r} (code {code})",
        hint="pass the shape that the model was made for (--shape), or try another target",
    )


def _computed(ncnn: ModuleType, options: Any, kind: str, stored: str) -> str:
    """The precision of a layer's products."""
    if stored != "float32":
        return stored if options.use_int8_inference else "float32"
    if getattr(options, "use_bf16_storage", False):
        return "bfloat16"
    if not options.use_fp16_storage:
        return "float32"
    if ncnn.cpu_support_arm_asimdhp() and options.use_fp16_arithmetic:
        return "float16"
    rounded: set[str] = set()
    if ncnn.cpu_support_x86_avx2():  # what it needs is F16C, which no processor with AVX2 lacks
        rounded = _HALF_WEIGHTS_ON_X86
    elif ncnn.cpu_support_arm_vfpv4():
        rounded = _HALF_WEIGHTS_ON_ARM
    return "float16_weights" if kind in rounded else "float32"
