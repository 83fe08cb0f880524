"""A model that answers with a sequence, behind the Session of any runtime.

Two graphs in one session: the encoder runs once a sample, the step once for each id of the answer.
What the step remembers is kept here in numpy, so that any runtime serves. What goes in are ids
(batch, length), what comes out are ids (batch, length), ended by 3 and filled up with 0.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.results.runs import Effective
from edgecnn.runtimes.base import Array, Invocation, Session
from edgecnn.runtimes.tensors import from_model, stored, to_model
from edgecnn.sequences.graphs import state_names, step_outputs
from edgecnn.sequences.search import Decoding, Hypothesis, padded, search
from edgecnn.sequences.states import States
from edgecnn.tensor_spec import TensorSpec

Ids = npt.NDArray[np.int64]
TOKEN, POSITION = "token", "position"


@dataclass
class Spent:
    """What one sample took: nanoseconds of the encoder and of each step, hypotheses searched."""

    encoder_ns: int = 0
    step_ns: list[int] = field(default_factory=list)
    sentence_ns: int = 0
    ids: int = 0


@dataclass(frozen=True)
class SequenceAnswer:
    """The best hypothesis for one sample, where it looked (steps, length), and what it took."""

    best: Hypothesis
    attention: npt.NDArray[np.float32]
    spent: Spent
    alternatives: tuple[Hypothesis, ...] = ()


class SequenceSession(Session):
    """An encoder and a step, each loaded in the same runtime.

    `step` has one row or `decoding.beam` rows. `fields` are the receptive fields of its encoder and
    of its decoder in ids, 0 where nobody knows. Raises InputError for graphs that do not belong
    together: what the encoder gives is what the step takes.
    """

    def __init__(
        self,
        encoder: Session,
        step: Session,
        *,
        decoding: Decoding,
        memory: Sequence[str],
        options: RuntimeOptions,
        fields: tuple[int, int] = (0, 0),
        first_attempt: str = "",
    ) -> None:
        self.reads, self.writes = fields
        self._encoder, self._step = encoder, step
        self.decoding = decoding
        self._specs = {_plain(spec.name): spec for spec in step.inputs}
        self._order = [_plain(spec.name) for spec in step.inputs]
        self._memory = tuple(memory)
        self._states = state_names(self._order)
        _check_together(encoder, step, self._memory, self._states)
        self._outputs = _in_order(step, step_outputs(self._states))
        self._rows = int(step.inputs[0].shape[0] or 1)
        self._kept = frozenset(self._order.index(name) for name in self._memory)
        (source,) = encoder.inputs
        self.length = int(source.shape[1] or 0)
        shape = (options.batch, self.length)
        self.inputs = (TensorSpec("source", shape, source.dtype, "NL"),)
        self.outputs = (TensorSpec("answer", shape, "int32", "NL"),)
        self.spent: list[Spent] = []
        self._first_attempt = first_attempt

    @cached_property
    def effective(self) -> Effective:  # type: ignore[override]  # (computed when first asked for)
        """What executes in the step, with the encoder's among the details. Ask after measuring:
        some runtimes load graphs once more to prove it.
        """
        effective, encoder = self._step.effective, self._encoder.effective
        details = {
            **effective.details,
            "encoder": {**encoder.details, "provider": encoder.provider},
            "beam": self.decoding.beam,
            "length_penalty": self.decoding.length_penalty,
            "rows_a_step": self._rows,
        }
        if self._first_attempt:
            details["one_row_because"] = self._first_attempt
        return replace(effective, details=details)

    def bind(self, tensors: Sequence[Array]) -> Invocation:
        (sources,) = tensors

        def invoke() -> Sequence[Array]:
            answers = [self.answer(sources[row : row + 1]) for row in range(len(sources))]
            self.spent = [answer.spent for answer in answers]
            return [padded([answer.best.ids for answer in answers], self.length)]

        return invoke

    def answer(self, source: Array, decoding: Decoding | None = None) -> SequenceAnswer:
        """Search the answer to one source (1, length) of ids."""
        started = time.perf_counter_ns()
        spent = Spent()
        memory = self._read(source)
        spent.encoder_ns = time.perf_counter_ns() - started
        steps = _Steps(self, memory, spent)
        hypotheses = search(steps, decoding or self.decoding, self.length - 1)
        spent.sentence_ns = time.perf_counter_ns() - started
        spent.ids = len(hypotheses[0].ids) + 1
        path = hypotheses[0].origins
        looked = [weights[row] for weights, row in zip(steps.attention, path, strict=False)]
        width = int((np.asarray(source) != 0).sum())
        attention = np.stack(looked)[:, :width] if looked else np.zeros((0, width), np.float32)
        return SequenceAnswer(hypotheses[0], attention, spent, tuple(hypotheses[1:]))

    def _read(self, source: Array) -> dict[str, Array]:
        """The encoder's outputs by name, in the step's own form, one row each."""
        outputs = self._encoder.bind([np.ascontiguousarray(source)])()
        named = {
            _plain(spec.name): from_model(np.array(array), spec)
            for spec, array in zip(self._encoder.outputs, outputs, strict=True)
        }
        memory = {}
        for name in self._memory:
            spec = self._specs[name]
            row = to_model(named[name], replace(spec, shape=(1, *spec.shape[1:])))
            memory[name] = np.repeat(row, self._rows, axis=0) if self._rows > 1 else row
        return memory

    def empty_states(self) -> States:
        """One row of states as the step takes them: nothing has been written yet."""
        return States(
            {
                name: stored(np.zeros((1, self._specs[name].shape[1] or 0), np.float32), spec)
                for name in self._states
                for spec in (self._specs[name],)
            }
        )

    def run_step(
        self,
        memory: dict[str, Array],
        states: dict[str, Array],
        ids: Ids,
        position: int,
        *,
        first: bool,
    ) -> list[Array]:
        """Scores and attention of up to as many rows as the step has, in float32, and the newest
        of each state as the step takes it. `first` says that the memory is a new one.
        """
        count = len(ids)
        column = np.zeros((self._rows, 1), self._specs[TOKEN].dtype)
        column[:count, 0] = ids
        positions = np.full((self._rows, 1), position, self._specs[POSITION].dtype)
        feed = {TOKEN: column, POSITION: positions, **memory}
        for name, array in states.items():
            feed[name] = array
            if count < self._rows:  # what fills up is computed and left out
                feed[name] = np.resize(array, (self._rows, array.shape[1]))
        outputs = self._step.infer(
            [feed[name] for name in self._order], () if first else self._kept
        )
        specs = self._step.outputs
        arrays = [from_model(outputs[place][:count], specs[place]) for place in self._outputs]
        for place, name in enumerate(self._states, start=2):
            arrays[place] = stored(arrays[place], self._specs[name])
        return arrays

    @property
    def rows(self) -> int:
        """Rows of a step."""
        return self._rows


class _Steps:
    """The step of one sample as the search calls it; keeps what the decoder remembers."""

    def __init__(self, session: SequenceSession, memory: dict[str, Array], spent: Spent) -> None:
        self._session, self._memory, self._spent = session, memory, spent
        self._states = session.empty_states()
        self.attention: list[Array] = []

    def __call__(self, ids: Ids, position: int, origins: Ids) -> Array:
        self._states.follow(origins)
        rows = self._session.rows
        parts: list[list[Array]] = []
        for start in range(0, len(ids), rows):
            chosen = slice(start, start + rows)
            states = {name: array[chosen] for name, array in self._states.arrays.items()}
            before = time.perf_counter_ns()
            parts.append(
                self._session.run_step(
                    self._memory, states, ids[chosen], position, first=not self._spent.step_ns
                )
            )
            self._spent.step_ns.append(time.perf_counter_ns() - before)
        outputs = parts[0]
        if len(parts) > 1:
            outputs = [np.concatenate(each) for each in zip(*parts, strict=True)]
        scores, attention, *newest = outputs
        self._states.push(newest)
        self.attention.append(attention)
        return scores


def _in_order(step: Session, names: Sequence[str]) -> list[int]:
    """Where the step's outputs stand; converters order them by name, or as they like."""
    known = [_plain(spec.name) for spec in step.outputs]
    if set(names) <= set(known):
        return [known.index(name) for name in names]
    return list(range(len(names)))


def _plain(name: str) -> str:
    """A tensor's name as it was given to the converter ("token" of "serving_default_token:0")."""
    return name.rpartition("/")[2].partition(":")[0].removeprefix("serving_default_")


def _check_together(
    encoder: Session, step: Session, memory: Sequence[str], states: Sequence[str]
) -> None:
    if len(encoder.inputs) != 1 or len(encoder.inputs[0].shape) != 2:
        raise InputError("the encoder takes something else than ids (batch, length)")
    given = {_plain(spec.name): spec.shape[1:] for spec in encoder.outputs}
    taken = {_plain(spec.name): spec.shape[1:] for spec in step.inputs}
    for name in memory:
        if name not in given or taken.get(name) != given[name]:
            raise InputError(
                f"encoder and step do not belong together: {name!r} is {given.get(name)} and "
                f"{taken.get(name)}"
            )
    wanted = {TOKEN, POSITION, *memory, *states}
    if not states or set(taken) != wanted or len(step.outputs) != 2 + len(states):
        raise InputError(
            f"a step takes token, position, {', '.join(memory)} and states, "
            f"received: {', '.join(taken)}"
        )
    places = _in_order(step, step_outputs(states))[2:]
    for name, place in zip(states, places, strict=True):
        width, new = taken[name][-1] or 0, step.outputs[place].shape[-1] or 0
        if not new or width % new:
            raise InputError(f"the step's {name} holds {width} values and is renewed by {new}")


def decoding_for(options: RuntimeOptions, own: Decoding) -> Decoding:
    """What the options ask for, or what the model ships with."""
    return replace(own, beam=options.beam) if options.beam else own


def graph_options(options: RuntimeOptions, rows: int) -> RuntimeOptions:
    """For one of the graphs: its own batch, and nothing that speaks of the whole."""
    return replace(options, batch=rows, beam=0, shape="")


__all__ = ["SequenceAnswer", "SequenceSession", "Spent", "decoding_for", "graph_options"]
