"""The encoder and the step of a trained network, as the search wants them, many rows at a time.

For training and conversion, which have the network itself; a session of a runtime is
`runtimes.sequences`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.sequences.graphs import SequenceGraphs
from edgecnn.sequences.search import StepFunction
from edgecnn.sequences.states import States

Array = npt.NDArray[Any]
Given = Mapping[str, Array]
"""What one step got, by name of its input, and what it answered, by "scores"."""


class KerasSteps:
    """Runs both graphs in Keras. `attention` holds the weights (rows, length) of each step since
    the last start; `seen` is called with what each step gets and answers.
    """

    def __init__(self, parts: SequenceGraphs, seen: Callable[[Given], None] | None = None) -> None:
        self._parts, self._seen = parts, seen
        self._names = [str(tensor.name) for tensor in parts.step.inputs]
        self._widths = {
            str(tensor.name): int(tensor.shape[-1])
            for tensor in parts.step.inputs
            if tensor.name in parts.states
        }
        self.attention: list[Array] = []

    def encoded(self, sources: Array) -> list[Array]:
        """The encoder's outputs for sources (rows, length) int32."""
        return [np.asarray(each) for each in self._parts.encoder.predict_on_batch(sources)]

    def start(self, sources: Array) -> StepFunction:
        """Read sources (rows, length) int32; the step continues from there."""
        memory = self.encoded(sources)
        states = States.zeros(self._widths, len(sources))
        self.attention = []

        def step(
            ids: npt.NDArray[np.int64], position: int, origins: npt.NDArray[np.int64]
        ) -> Array:
            nonlocal memory
            if not np.array_equal(origins, np.arange(len(memory[0]))):
                states.follow(origins)
                memory = [array[origins] for array in memory]
            column = ids.astype(np.int32)[:, None]
            inputs = [column, np.full_like(column, position), *memory, *states.arrays.values()]
            scores, attention, *newest = (
                np.asarray(each) for each in self._parts.step.predict_on_batch(inputs)
            )
            if self._seen is not None:
                self._seen({**dict(zip(self._names, inputs, strict=True)), "scores": scores})
            states.push(newest)
            self.attention.append(attention)
            return scores

        return step
