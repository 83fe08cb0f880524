"""Graphs of a sequence network: an encoder and one step of a decoder.

A network for sequences is trained as one graph that sees the right answer so far, and used as two
graphs of fixed shapes: the encoder once a sample, the step once for each id of the answer. Both
sides of that bargain are here, so that conversion and decoding need not know the network.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.registry import SEQUENCE_MODELS

if TYPE_CHECKING:
    import keras

INPUTS = ("source", "target")
"""What the trained graph takes."""
SCORES, ATTENTION, NEWEST = "scores", "attention", "new_"
"""Names of the step's outputs in converted files; the last goes before the name of a state."""
STATE = "state"
"""Inputs of the step whose names begin so are what it remembers; its last outputs renew them."""


@dataclass(frozen=True)
class SequenceGraphs:
    """The two graphs. `memory` names the encoder's outputs, which are inputs of the step; `reads`
    and `writes` are the receptive fields of encoder and decoder in ids, 0 where there is none.

    The step's inputs are token and position (batch, 1) int32, the memory, then state1 … stateN
    (batch, k × width). Its outputs are scores (batch, vocabulary), attention (batch, length), then
    the newest of each state (batch, width): who decodes shifts it into the state.
    """

    encoder: keras.Model
    step: keras.Model
    memory: tuple[str, ...]
    reads: int = 0
    writes: int = 0

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the step's states, in order."""
        return state_names([str(tensor.name) for tensor in self.step.inputs])


def state_names(inputs: Sequence[str]) -> tuple[str, ...]:
    """Those of a step's inputs that are states, in their own order (state2 before state10)."""
    numbered = [
        name for name in inputs if name[len(STATE) :].isdecimal() and name.startswith(STATE)
    ]
    return tuple(sorted(numbered, key=lambda name: int(name[len(STATE) :])))


def step_outputs(states: Sequence[str]) -> list[str]:
    """Names of the step's outputs, in its own order."""
    return [SCORES, ATTENTION, *(f"{NEWEST}{state}" for state in states)]


def step_inputs(
    memory: Sequence[Any], names: Sequence[str], states: Mapping[str, int]
) -> dict[str, Any]:
    """The inputs of a step by name: token, position, the memory and states of these widths."""
    import keras

    inputs = {name: keras.Input((1,), dtype="int32", name=name) for name in ("token", "position")}
    for name, tensor in zip(names, memory, strict=True):
        inputs[name] = keras.Input(tuple(tensor.shape)[1:], dtype="float32", name=name)
    for name, width in states.items():
        inputs[name] = keras.Input((width,), dtype="float32", name=name)
    return inputs


def is_sequence_model(model: Any) -> bool:
    """Whether a loaded `keras.Model` is one of the registered networks for sequences."""
    if getattr(model, "name", "") not in SEQUENCE_MODELS.names():
        return False
    return tuple(tensor.name for tensor in model.inputs or ()) == INPUTS


def parts_of(model: keras.Model) -> SequenceGraphs:
    """The encoder and the step of a trained network, by the file it was built in."""
    module = sys.modules[SEQUENCE_MODELS.load(model.name).__module__]
    parts: SequenceGraphs = module.parts(model)
    return parts
