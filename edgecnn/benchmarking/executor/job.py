"""The job that a parent sends to its worker, and the cause of a worker's error."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from edgecnn.benchmarking.protocol import Protocol
from edgecnn.errors import EdgeCNNError, InputError, MissingDependencyError, UnavailableError
from edgecnn.results.run_options import Load, Placement, RuntimeOptions

if TYPE_CHECKING:
    from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples
    from edgecnn.results.measurements import Cause

NUMBERS = {
    "0": "whole numbers were 0 everywhere",
    "1": "whole numbers were 1 everywhere",
    "ones": "all inputs but the first of real values were 1",
}
"""0 is valid as an id or count; 1 is valid as a size, axis, scale or count."""


@dataclass(frozen=True)
class WorkerJob:
    """What a worker is to do.

    Without a `path` it probes the device, without a `protocol` it loads the model, reports what
    it is, and leaves.

    `samples` is a .npy file (n, …) of real-valued samples, channels last, that fit the model's
    one input, or a folder with one for each of its inputs (see `pool.Inputs`); without it the
    worker draws seeded synthetic ones: word ids below `vocabulary_size` and each input's entry of
    `id_limits`, real values in `value_range` ([0, 1) where nobody knows). `outputs` is the folder
    where the outputs of all samples are written (0.npy, 1.npy …), when they are wanted. `passes`
    names what else to find out about the loaded model once its latency is known; `raw` are samples
    before preprocessing, for the pass `stages`.

    `protocol` is the row's: `made` of its processes have spent `spent_secs` already. `probes` are
    (reference, memory) nanoseconds that earlier processes saw of the machine, `known_ns` is the
    reference that is remembered of it.
    """

    runtime: str
    device: str
    options: RuntimeOptions = field(default_factory=RuntimeOptions)
    path: str | None = None
    protocol: Protocol | None = None
    samples: str | None = None
    outputs: str | None = None
    passes: tuple[str, ...] = ()
    raw: EncodedSamples | None = None
    vocabulary_size: int | None = None
    id_limits: tuple[int | None, ...] = ()
    value_range: tuple[float, float] | None = None
    made: int = 0
    spent_secs: float = 0.0
    probes: tuple[tuple[int, int], ...] = ()
    known_ns: float | None = None
    numbers: str = ""
    """What synthetic inputs are instead of what is drawn: one of NUMBERS, with which
    `benchmarking.inputs.retry` tries again.
    """
    placement: Placement = field(default_factory=Placement)
    load: Load = field(default_factory=Load)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> WorkerJob:
        values = json.loads(line)
        values["options"] = RuntimeOptions(**values["options"])
        values["placement"] = Placement(tuple(values["placement"]["affinity"]))
        values["load"] = Load(**values["load"])
        if values["raw"] is not None:
            from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples

            values["raw"] = EncodedSamples.from_dict(values["raw"])
        values["id_limits"] = tuple(values["id_limits"])
        if values["value_range"] is not None:
            values["value_range"] = tuple(values["value_range"])
        values["probes"] = tuple((reference, memory) for reference, memory in values["probes"])
        if values["protocol"] is not None:
            values["protocol"] = Protocol(**values["protocol"])
        return cls(**values)


def cause_of(error: EdgeCNNError) -> Cause:
    """Who could fix an error: the machine's owner, or who gave the input; "" for neither."""
    if isinstance(error, (MissingDependencyError, UnavailableError)):
        return "missing"
    return "input" if isinstance(error, InputError) else ""
