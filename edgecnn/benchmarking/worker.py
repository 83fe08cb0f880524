"""The process that measures: loads one artifact in one runtime, measures, and leaves.

It reads one job (a JSON line) from standard input and answers with events (JSON lines) on what
was its standard output; whatever a runtime prints goes to standard error. It needs numpy and its
runtime alone, and may run under another Python than its parent.

Events: `probed` (an Availability), `loaded` (what the session is), `inspected` (nothing else was
asked), `measured` (a Run), `pass` (what a further pass found),
`outputs` (where the outputs lie), `error` (status, message, hint).
A process that ends without the events its job asks for has crashed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking import machine as machine_facts
from edgecnn.benchmarking import passes, placement, scenarios
from edgecnn.benchmarking.contention import Watch
from edgecnn.benchmarking.observation import (
    difference,
    forget_peak,
    resident_bytes,
    snapshot,
)
from edgecnn.benchmarking.passes import Context
from edgecnn.benchmarking.pool import Inputs, pool_size
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.raw import RawSamples
from edgecnn.errors import (
    EdgeCNNError,
    InputError,
    MissingDependencyError,
    UnavailableError,
    UnsupportedError,
)
from edgecnn.formats.check import read_signature
from edgecnn.registry import RUNTIMES
from edgecnn.results import Cause, Load, Placement, RuntimeOptions
from edgecnn.runtimes.base import Runtime, Session
from edgecnn.runtimes.declared import assumptions
from edgecnn.synthetic_inputs import SyntheticInputs, is_batched

PR_SET_PDEATHSIG = 1
SLOW_NS = 1_000_000_000
NUMBERS = {
    "0": "whole numbers were 0 everywhere",
    "1": "whole numbers were 1 everywhere",
    "ones": "all inputs but the first of real values were 1",
}
"""0 is an id of every table and a count of nothing, 1 a size, an axis, a scale, a count of one."""
PEAK_INFERENCES = 3
"""After so many inferences a runtime has taken the memory that it works in."""


@dataclass(frozen=True)
class Job:
    """What a worker is to do.

    Without a `path` it probes the device, without a `protocol` it loads the model, tells what
    it is, and leaves.

    `samples` is a .npy file (n, …) of real-valued samples, channels last, that fit the model's
    one input, or a folder with one for each of its inputs (see `pool.Inputs`); without it the
    worker draws seeded synthetic ones: word ids below `vocabulary_size` and each input's entry of
    `id_limits`, real values in `value_range` ([0, 1) where nobody knows). `outputs` is the folder
    where the outputs of all samples are written (0.npy, 1.npy …), when they are wanted. `passes`
    names what else to find out about the loaded model once its latency is known; `raw` are samples
    before preprocessing, for the pass `stages`.

    `protocol` is the row's: `made` of its processes have spent `spent_secs` already. `looks` are
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
    raw: RawSamples | None = None
    vocabulary_size: int | None = None
    id_limits: tuple[int | None, ...] = ()
    value_range: tuple[float, float] | None = None
    made: int = 0
    spent_secs: float = 0.0
    looks: tuple[tuple[int, int], ...] = ()
    known_ns: float | None = None
    numbers: str = ""
    """What synthetic inputs are instead of what is drawn: one of NUMBERS, with which
    `benchmarking.retry` tries again.
    """
    placement: Placement = field(default_factory=Placement)
    load: Load = field(default_factory=Load)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Job:
        values = json.loads(line)
        values["options"] = RuntimeOptions(**values["options"])
        values["placement"] = Placement(tuple(values["placement"]["affinity"]))
        values["load"] = Load(**values["load"])
        if values["raw"] is not None:
            values["raw"] = RawSamples.from_dict(values["raw"])
        values["id_limits"] = tuple(values["id_limits"])
        if values["value_range"] is not None:
            values["value_range"] = tuple(values["value_range"])
        values["looks"] = tuple((reference, memory) for reference, memory in values["looks"])
        if values["protocol"] is not None:
            values["protocol"] = Protocol(**values["protocol"])
        return cls(**values)


def main(parent: int, bare_bytes: int | None = None) -> int:
    """Serve one job of the process `parent`; exits with 0 even when the answer is an `error`.

    `bare_bytes` is what this process held before edgecnn was imported: interpreter and numpy.
    """
    _die_with_parent(parent)
    events = _claim_standard_output()
    job = Job.from_json(sys.stdin.readline())
    try:
        for event in serve(job, bare_bytes):
            print(json.dumps(event, allow_nan=False), file=events, flush=True)
    except EdgeCNNError as error:
        status = "unsupported" if isinstance(error, UNSUPPORTED) else "failed"
        report = {
            "event": "error",
            "status": status,
            "message": error.message,
            "hint": error.hint,
            "cause": cause_of(error),
            "absent": isinstance(error, UnavailableError),
        }
        print(json.dumps(report), file=events, flush=True)
    return 0


UNSUPPORTED = (UnsupportedError, MissingDependencyError)


def cause_of(error: EdgeCNNError) -> Cause:
    """Who could mend an error: the machine's owner, or who gave the input; "" for neither."""
    if isinstance(error, (MissingDependencyError, UnavailableError)):
        return "missing"
    return "input" if isinstance(error, InputError) else ""


def serve(job: Job, bare_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    """Do the job, yielding events as they come."""
    placement.pin(job.placement.affinity)
    runtime: type[Runtime] = RUNTIMES.load(job.runtime)
    at_start = resident_bytes()["now"]
    rss = {"bare": at_start if bare_bytes is None else bare_bytes, "at_start": at_start}
    started_at = datetime.now().astimezone().isoformat(timespec="seconds")

    start = time.perf_counter_ns()
    availability = runtime.probe(job.device)
    import_ns = time.perf_counter_ns() - start
    if job.path is None:
        yield {"event": "probed", "availability": asdict(availability)}
        return
    if not availability.available:
        raise UnavailableError(availability.reason, hint=availability.hint)

    start = time.perf_counter_ns()
    session = runtime.open_model(Path(job.path), job.device, job.options)
    load_ns = time.perf_counter_ns() - start
    more = scenarios.sessions_needed(job.load) - 1 if job.protocol else 0
    further = [runtime.open_model(Path(job.path), job.device, job.options) for _ in range(more)]
    rss["after_load"] = resident_bytes()["now"]
    yield {
        "event": "loaded",
        "inputs": [asdict(spec) for spec in session.inputs],
        "outputs": [asdict(spec) for spec in session.outputs],
    }
    if job.protocol is None:
        yield {"event": "inspected"}
        return

    inputs = _inputs(job, session)
    first_inference_ns, rss["peak"] = _first_inferences((session, *further), inputs)
    samples = inputs.arrays()
    pool = inputs.pool(samples)
    streams = [[each.bind(tensors) for tensors in pool] for each in (session, *further)]
    share = job.protocol.of_one_process(job.spent_secs, job.made)
    warmup = np.zeros(0, np.int64)
    if first_inference_ns / 1e9 < share.warmup_max_secs:
        warmup = scenarios.warm(streams, share)
    pace_ns = float(np.median(warmup)) if warmup.size else float(first_inference_ns)
    watch = _watch(job)
    before = snapshot()
    measured = scenarios.run(streams, job.load, share, watch, pace_ns, batch=job.options.batch)
    machine = {**difference(before, snapshot()), **placement.observe()}
    placement.verify(job.placement.affinity, machine)
    # Only now: some runtimes prove what executes by inferring once more, or by loading again.
    effective = asdict(session.effective)
    if said := _assumptions(job):
        effective["details"] = {**effective["details"], "assumed": said}
    yield {
        "event": "measured",
        "run": {
            "load_ns": load_ns,
            "import_ns": import_ns,
            "first_inference_ns": first_inference_ns,
            "warmup_ns": warmup.tolist(),
            "samples_ns": measured.samples.tolist(),
            "blocks": [asdict(block) for block in measured.blocks],
            "queries": measured.queries,
            "rss_bytes": rss,
            "effective": effective,
            "started_at": started_at,
            "machine": machine,
            "environment": asdict(machine_facts.of_process()),
        },
    }
    deadline = time.monotonic() + job.protocol.checking_secs
    for place, name in enumerate(job.passes):
        left = deadline - time.monotonic()
        context = Context(
            session,
            streams[0],
            samples,
            job.options,
            job.protocol,
            Path(job.path),
            runtime=job.runtime,
            device=job.device,
            tensors=pool,
            streams=streams,
            queries=measured.queries,
            load=job.load,
            raw=job.raw,
            fed="" if job.samples else synthetic(job, session, 1).describe(),
            deadline=time.monotonic() + left / (len(job.passes) - place),
        )
        yield {"event": "pass", "name": name, "found": passes.make(name, context)}
    if job.outputs is not None:
        bound = None if job.samples else deadline
        _write_outputs(session, inputs.batches(samples), samples, job, bound)
        yield {"event": "outputs", "path": job.outputs}


def _inputs(job: Job, session: Session) -> Inputs:
    if job.samples is not None:
        return Inputs(session.inputs, job.options.batch, samples=Path(job.samples))
    made = synthetic(job, session, pool_size(session.inputs, 1))
    return Inputs(session.inputs, job.options.batch, synthetic=made)


def _assumptions(job: Job) -> list[str]:
    """What had to be assumed of the model to measure it, in sentences."""
    said = []
    if job.numbers:
        said.append(f"{NUMBERS[job.numbers]}: the runtime refused others")
    try:
        signature = read_signature(Path(job.path or ""))
        return [*assumptions(signature, job.options), *said]
    except EdgeCNNError:  # a format that only its own library reads
        return said


def _first_inferences(sessions: Sequence[Session], inputs: Inputs) -> tuple[int, int]:
    """(nanoseconds of the first inference, peak of resident bytes), with one batch in memory.

    The peak is that of loading and of a few inferences, as a plain loop would have it; making
    the inputs, and the pool of them later, do not count.
    """
    peak = resident_bytes()["peak"]
    first = inputs.first()
    forgotten = forget_peak()
    times = []
    for session in sessions:
        invoke = session.bind(first)
        for _ in range(PEAK_INFERENCES):
            start = time.perf_counter_ns()
            invoke()
            times.append(time.perf_counter_ns() - start)
            if times[0] > SLOW_NS:
                break
    return times[0], max(peak, resident_bytes()["peak" if forgotten else "now"])


def _watch(job: Job) -> Watch | None:
    """Looks at the machine, where one request comes after the other on the processor."""
    if job.load.scenario not in ("single_stream", "multi_stream"):
        return None
    return Watch(job.options.threads, job.looks, job.known_ns)


def _die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent is gone, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the kernel knew
            os._exit(1)


def _claim_standard_output() -> TextIO:
    """Keep the pipe to the parent for events; send what anyone prints to standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def synthetic(job: Job, session: Session, count: int) -> SyntheticInputs:
    """Seeded inputs over the whole range of each of the model's inputs."""
    ids, reals = job.vocabulary_size, job.value_range
    integers = [spec.name for spec in session.inputs if np.dtype(spec.dtype).kind in "iu"]
    tables = dict.fromkeys(integers, ids) if ids else {}
    if len(job.id_limits) == len(session.inputs):
        for spec, limit in zip(session.inputs, job.id_limits, strict=True):
            if limit is not None:
                tables[spec.name] = min(limit, tables.get(spec.name, limit))
    return SyntheticInputs(
        session.inputs,
        count,
        batch=job.options.batch,
        vocabularies=tables,
        values={spec.name: reals for spec in session.inputs} if reals else {},
        only=int(job.numbers) if job.numbers.isdecimal() else None,
        ones=job.numbers == "ones",
    )


def _write_outputs(
    session: Session,
    batches: Iterator[list[npt.NDArray[Any]]],
    samples: Sequence[npt.NDArray[Any]],
    job: Job,
    deadline: float | None,
) -> None:
    """Infer every sample once and write each output that has an entry a sample: real values
    (n, …). With a `deadline` of the monotonic clock fewer samples are inferred, two at least.
    """
    assert job.outputs is not None
    folder, batch = Path(job.outputs), job.options.batch
    count = Inputs.count(samples)
    folder.mkdir(parents=True, exist_ok=True)
    whole = not any(is_batched(spec, batch) for spec in session.inputs)
    kept: list[list[npt.NDArray[Any]]] = []
    written: list[np.memmap[Any, Any]] = []
    done = 0
    for tensors in batches:
        outputs = [
            output[None] if whole else output
            for output in session.run_bound(tensors)
            if output.dtype != object and (whole or output.shape[:1] == (batch,))
        ]
        stop = min(done + batch, count)
        if deadline is not None:
            kept.append([output[: stop - done] for output in outputs])
        else:
            written = written or [
                np.lib.format.open_memmap(
                    folder / f"{index}.npy", "w+", output.dtype, (count, *output.shape[1:])
                )
                for index, output in enumerate(outputs)
            ]
            for array, output in zip(written, outputs, strict=True):
                array[done:stop] = output[: stop - done]
        done = stop
        if deadline is not None and done > 1 and time.monotonic() > deadline:
            break
    for array in written:
        array.flush()
    for index, parts in enumerate(_of_one_shape(kept)):
        np.save(folder / f"{index}.npy", np.concatenate(parts))


def _of_one_shape(kept: list[list[npt.NDArray[Any]]]) -> Iterator[list[npt.NDArray[Any]]]:
    """The entries of each output, of those whose shape is the same for every input."""
    if len({len(outputs) for outputs in kept}) == 1:
        for parts in map(list, zip(*kept, strict=True)):
            if len({part.shape[1:] for part in parts}) == 1:
                yield parts


def output_paths(folder: Path) -> list[Path]:
    """The files in which a worker left its model's outputs, in the model's order."""
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
