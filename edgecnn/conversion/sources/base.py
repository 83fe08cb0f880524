"""The model that is converted, whatever it is from: what it takes, gives and computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.inference.spooled_outputs import Gathering
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.manifest import TensorSpec

if TYPE_CHECKING:
    from edgecnn.conversion.targets import Target
    from edgecnn.feeding import InferredInput

Array = npt.NDArray[Any]
Sample = Array | Sequence[Array]
"""What a model takes for one inference: a tensor (1, …), or one for each of its inputs."""


def tensors_of(sample: Sample) -> list[Array]:
    """A sample as one tensor for each input."""
    return [sample] if isinstance(sample, np.ndarray) else list(sample)


@dataclass(frozen=True, kw_only=True)
class SourceModel(ABC):
    """A model whose inputs have fixed sizes, with the digest of its files.

    `inputs` are channels last as edgecnn feeds them, the batch first and open (None). Names of
    inputs and outputs, and their order, are those of the model; converted files keep them.
    `vocabularies` holds the number of ids that an input of word ids has, by the input's name.
    """

    name: str
    sha256: str
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]
    vocabularies: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """How what is converted differs from the model that was given; it computes the same."""
    loops: tuple[str, ...] = ()
    """The layers that loop over time, by name."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What else makes the model what it is besides its files: the sizes that were given for those
    that it leaves open ("shape", as --shape takes them), the digests of modules that were run.
    """

    @property
    def is_dequantized(self) -> bool:
        """Whether float files made of it hold the real values of a quantized file's numbers."""
        return False

    def has_float_reference(self, file_format: str) -> bool:  # noqa: ARG002
        """Whether a float file of a format is written from a float ONNX file, with which it can be
        compared where the model itself is quantized.
        """
        return False

    @property
    def output_steps(self) -> tuple[float | None, ...]:
        """The scales of a quantized model's outputs; None where it says none."""
        return ()

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Sizes of the first input, without the batch."""
        return tuple(int(size or 0) for size in self.inputs[0].shape[1:])

    @property
    def dtype(self) -> str:
        """Of the first input."""
        return self.inputs[0].dtype

    @property
    def vocabulary_size(self) -> int | None:
        """Ids that the first input takes; None for real values."""
        return self.vocabularies.get(self.inputs[0].name)

    @property
    def layout(self) -> str:
        """The axes of the first input, batch first."""
        return self.inputs[0].layout

    def predict(self, samples: Iterable[Sample], *, batch: int = 32) -> list[Array]:
        """Outputs (n, …), one array each, for inputs (1, …), in inference mode.

        Inputs are channels last; those of integer inputs are rounded and clipped. Raises
        InputError without samples.
        """
        waiting = iter(samples)
        gatherings: list[Gathering] = []
        while chunk := list(islice(waiting, batch)):
            outputs = self._rows([tensors_of(sample) for sample in chunk])
            gatherings = gatherings or [Gathering(name) for name in self.output_names]
            for gathering, output in zip(gatherings, outputs, strict=True):
                gathering.add(output)
        if not gatherings:
            raise InputError("no samples to run the model on")
        return [gathering.array() for gathering in gatherings]

    def _rows(self, samples: Sequence[Sequence[Array]]) -> list[Array]:
        """Outputs (n, …) for n samples: at once where every output has a row for each of them, one
        after the other where one does not (the sum over all values, say).
        """
        count = len(samples)
        outputs = self.run([np.concatenate(column) for column in zip(*samples, strict=True)])
        if all(output.ndim and len(output) == count for output in outputs):
            return outputs
        if count == 1:
            return [output if output.shape[:1] == (1,) else output[None] for output in outputs]
        rows = [self._rows([sample]) for sample in samples]
        return [np.concatenate(column) for column in zip(*rows, strict=True)]

    @abstractmethod
    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """The outputs for one batch, one array (batch, …) each, as the model's own library
        computes them.
        """

    @abstractmethod
    def write_float(self, file_format: str, path: Path) -> None:
        """Write the float file of a format ("tflite", "onnx") to `path`.

        Raises InputError when a converter cannot take the model, UnsupportedError when there is
        no way from this kind of model to the format.
        """

    def write_quantized(self, file_format: str, path: Path) -> None:
        """Write the file of a format with the numbers of a model that is quantized already, for a
        target that it `carries`. Raises as `write_float`.
        """
        self.write_float(file_format, path)

    @abstractmethod
    def converter(self, file_format: str) -> tuple[str, tuple[str, ...]]:
        """(the tool that writes the float file of a format, the packages whose versions matter)."""

    def record(self) -> dict[str, Any]:
        """What a manifest says about the model besides its name and its digest."""
        return dict(self.given)

    def proof(self) -> InferredInput | None:
        """What the model itself shows about the input that it wants; None where nothing."""
        return None

    def carries(self, target: Target) -> bool:  # noqa: ARG002
        """Whether the model is quantized already, and `target` takes its numbers as they are."""
        return False

    def notes_for(self, target: Target) -> tuple[str, ...]:  # noqa: ARG002
        """What is to be said of a target: how what is converted differs from the model."""
        return self.notes

    def objection(self, target: Target) -> EdgeCNNError | None:  # noqa: ARG002
        """Why `target` cannot be made, as far as a quick look shows before any converter runs;
        None where nothing speaks against it.
        """
        return None
