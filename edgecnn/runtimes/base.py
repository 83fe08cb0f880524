"""The contract between edgecnn and an inference runtime.

A runtime is one file: a subclass of Runtime that says which formats and devices it takes and
loads a model file into a Session. It imports its library inside `load` and `probe`, and needs
numpy alone besides, because it also runs in worker processes of other environments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.errors import MissingDependencyError, UnavailableError, UnsupportedError
from edgecnn.formats.kinds import graphs_in, graphs_inside
from edgecnn.registry import unknown_name
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.tensors import from_model, to_model
from edgecnn.tensor_spec import TensorSpec

Array = npt.NDArray[Any]
Invocation = Callable[[], Sequence[Array]]


@dataclass(frozen=True)
class Availability:
    """Whether a device of a runtime can be used on this machine, and if not, why and what helps."""

    available: bool
    reason: str = ""
    hint: str = ""
    version: str = ""
    device_name: str = ""


@dataclass(frozen=True)
class OperatorTime:
    """What one executed operator takes of an inference.

    `share` is its part (0…1) of the time of all operators;
    `provider` is who ran it, where a runtime has several.
    """

    name: str
    type: str
    median_ns: int
    share: float
    provider: str | None = None


class Session(ABC):
    """A model loaded in a runtime. Always synchronized: outputs are on the host on return.

    Some runtimes prove what is `effective` by inferring once more or by loading again: ask for
    it after measuring.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    effective: Effective
    process_threads: int | None = None
    """Threads of a library that has one number for the whole process; None where a session has
    threads of its own.
    """

    @abstractmethod
    def bind(self, tensors: Sequence[Array]) -> Invocation:
        """Make inputs ready and return a callable that runs one inference on them.

        `tensors` have the model's own dtype, layout and shape. The callable returns the
        outputs as host arrays that the next inference may overwrite; it is what a benchmark
        times, so all preparation belongs in `bind`.
        """

    def infer(
        self,
        tensors: Sequence[Array],
        unchanged: Collection[int] = (),  # noqa: ARG002 (for sessions that own their inputs)
    ) -> Sequence[Array]:
        """Infer once on tensors in the model's own form; the next inference may overwrite what is
        returned. `unchanged` are the places of inputs that hold what they held in the inference
        before: a session that owns its inputs does not copy them again.
        """
        return self.bind(tensors)()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Infer once. Inputs are real-valued, channels last (batch, height, width, channels).

        They are brought to the model's layout and dtype (quantized where it wants integers);
        outputs come back as copies, dequantized to float32. Raises InputError when the
        number or the shape of the inputs does not fit.
        """
        tensors = [to_model(array, spec) for array, spec in zip(inputs, self.inputs, strict=True)]
        return self.run_bound(tensors)

    def run_bound(self, tensors: Sequence[Array]) -> list[Array]:
        """Infer once on tensors that are in the model's own form already (see `bind`)."""
        outputs = self.bind(tensors)()
        return [
            from_model(np.array(array), spec)
            for array, spec in zip(outputs, self.outputs, strict=True)
        ]


class Runtime(ABC):
    """An inference runtime.

    `extra` names the pip extra that brings it, `environment` the isolated environment
    it needs when its dependencies conflict with the main one's.
    """

    name: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[str, ...]]
    extra: ClassVar[str]
    environment: ClassVar[str | None] = None

    @classmethod
    def check_device(cls, device: str) -> None:
        """Raise InputError for a device that the runtime does not have."""
        if device not in cls.devices:
            raise unknown_name(f"device of {cls.name}", device, cls.devices)

    @classmethod
    def probe(cls, device: str) -> Availability:
        """Whether `device` can be used here, without loading a model. Raises InputError for a
        device that the runtime does not have.
        """
        cls.check_device(device)
        try:
            return cls.find(device)
        except MissingDependencyError as error:
            return Availability(False, error.message, error.hint)

    @classmethod
    def find(cls, device: str) -> Availability:
        """The answer of `probe` for one of the runtime's devices.

        Raises MissingDependencyError when the runtime is not installed.
        """
        raise NotImplementedError(f"{cls.__name__} finds no {device}: define `find` or `probe`")

    @classmethod
    def available(cls, device: str) -> Availability:
        """As `probe`. Raises UnavailableError for a device that cannot be used here."""
        availability = cls.probe(device)
        if not availability.available:
            raise UnavailableError(
                f"{cls.name}:{device}: {availability.reason}", hint=availability.hint
            )
        return availability

    @classmethod
    @abstractmethod
    def load(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        """Load a model file.

        Raises InputError for a file it cannot read, UnsupportedError where it would fall
        back to something other than `device`, MissingDependencyError when not installed.
        """

    @classmethod
    def reads(cls, format_name: str) -> bool:
        """Whether it reads files of a format, or the graphs inside of them."""
        return format_name in cls.formats or graphs_in(format_name) in cls.formats

    @classmethod
    def open_model(cls, path: Path, device: str, options: RuntimeOptions) -> Session:
        """Load a model of one graph or several; raises what `load` raises."""
        if graphs_inside(path):
            from edgecnn.runtimes import sequence_files

            return sequence_files.load(cls, path, device, options)
        return cls.load(path, device, options)

    @classmethod
    def profile(
        cls,
        path: Path,  # noqa: ARG003 (what a runtime that profiles needs)
        device: str,
        options: RuntimeOptions,  # noqa: ARG003
        tensors: Sequence[Sequence[Array]],  # noqa: ARG003
        inferences: int,  # noqa: ARG003
    ) -> list[OperatorTime]:
        """Time every operator over `inferences` runs in a session of its own, costliest first.

        `tensors` holds inputs in the model's own form for one or several inferences, used in
        turn. Raises UnsupportedError where the runtime does not report per-operator times.
        """
        raise UnsupportedError(
            f"{cls.name}:{device} does not report the time of its operators",
            hint="profile the same model on onnxruntime:cpu, openvino:cpu or litert:cpu",
        )


def operator_times(
    executed: Iterable[tuple[str, str, str | None, int]],
) -> list[OperatorTime]:
    """Single executions (name, type, provider, ns) summed up by operator, costliest first.

    Shares come from the middle half of an operator's times: one interruption by another
    process would otherwise make its victim look costly, and profilers that know whole
    microseconds alone leave medians of short operators too coarse.
    """
    times: dict[tuple[str, str, str | None], list[int]] = {}
    for name, kind, provider, elapsed_ns in executed:
        times.setdefault((name, kind, provider), []).append(elapsed_ns)
    totals = {key: len(spent) * _middle_mean(spent) for key, spent in times.items()}
    whole = sum(totals.values()) or 1.0
    operators = [
        OperatorTime(
            name, kind, int(np.median(spent)), totals[name, kind, provider] / whole, provider
        )
        for (name, kind, provider), spent in times.items()
    ]
    return sorted(operators, key=lambda operator: operator.share, reverse=True)


def _middle_mean(times: Sequence[int]) -> float:
    ranked = sorted(times)
    cut = len(ranked) // 4
    return float(np.mean(ranked[cut : len(ranked) - cut]))
