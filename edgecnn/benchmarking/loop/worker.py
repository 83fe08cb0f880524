"""Worker process: loads one artifact in one runtime, measures, and exits.

It reads one job (a JSON line) from standard input and answers with events (JSON lines) on what
was its standard output; whatever a runtime prints goes to standard error. It needs numpy and its
runtime alone, and may run under another Python than its parent.

Events: `probed` (an Availability), `loaded` (what the session is), `inspected` (nothing else was
asked), `measured` (a Run), `pass` (what a further pass found),
`outputs` (where the outputs lie), `error` (status, message, hint).
A process that ends without the events its job asks for has crashed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.benchmarking import passes
from edgecnn.benchmarking.executor.job import NUMBERS, WorkerJob, cause_of
from edgecnn.benchmarking.loop import own_environment, placement, scenarios
from edgecnn.benchmarking.loop.contention import ContentionProbe
from edgecnn.benchmarking.loop.input_batches import Inputs
from edgecnn.benchmarking.loop.worker_inputs import inputs_of, synthetic
from edgecnn.benchmarking.loop.worker_outputs import write_outputs
from edgecnn.benchmarking.machine.observation import (
    difference,
    forget_peak,
    resident_bytes,
    snapshot,
)
from edgecnn.benchmarking.passes import Context
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.errors import EdgeCNNError, MissingDependencyError, UnavailableError, UnsupportedError
from edgecnn.formats.check import read_signature
from edgecnn.registry import RUNTIMES
from edgecnn.runtimes.base import Runtime, Session
from edgecnn.runtimes.declared import assumptions
from edgecnn.system.child_process import claim_standard_output, die_with_parent

SLOW_NS = 1_000_000_000
PEAK_INFERENCES = 3
"""After so many inferences a runtime has taken the memory that it works in."""


def main(parent: int, bare_bytes: int | None = None) -> int:
    """Serve one job of the process `parent`; exits with 0 even when the answer is an `error`.

    `bare_bytes` is what this process held before edgecnn was imported: interpreter and numpy.
    """
    die_with_parent(parent)
    events = claim_standard_output()
    job = WorkerJob.from_json(sys.stdin.readline())
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


def serve(job: WorkerJob, bare_bytes: int | None = None) -> Iterator[dict[str, Any]]:
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

    inputs = inputs_of(job, session)
    first_inference_ns, rss["peak"] = _first_inferences((session, *further), inputs)
    loaded = _Loaded(session, further, inputs)
    measured = _measure(job, job.protocol, loaded, first_inference_ns)
    times = {"load_ns": load_ns, "import_ns": import_ns, "first_inference_ns": first_inference_ns}
    yield {
        "event": "measured",
        "run": {
            **times,
            **measured,
            "rss_bytes": rss,
            "started_at": started_at,
            "environment": asdict(own_environment.of_process()),
        },
    }
    deadline = time.monotonic() + job.protocol.checking_secs
    yield from _further_passes(job, job.protocol, loaded, measured["queries"], deadline)
    if job.outputs is not None:
        bound = None if job.samples else deadline
        write_outputs(session, inputs.batches(loaded.samples), loaded.samples, job, bound)
        yield {"event": "outputs", "path": job.outputs}


class _Loaded:
    """A model in as many sessions as the scenario needs, with the tensors that they are fed."""

    def __init__(
        self,
        session: Session,
        further: Sequence[Session],
        inputs: Inputs,
    ) -> None:
        self.session = session
        self.samples = inputs.arrays()
        self.pool = inputs.pool(self.samples)
        self.streams = [[each.bind(tensors) for tensors in self.pool]
                        for each in (session, *further)]  # fmt: skip


def _measure(
    job: WorkerJob, protocol: Protocol, loaded: _Loaded, first_inference_ns: int
) -> dict[str, Any]:
    """Warm up and take samples: what a Run holds of it."""
    share = protocol.of_one_process(job.spent_secs, job.made)
    warmup = np.zeros(0, np.int64)
    if first_inference_ns / 1e9 < share.warmup_max_secs:
        warmup = scenarios.warm(loaded.streams, share)
    pace_ns = float(np.median(warmup)) if warmup.size else float(first_inference_ns)
    watch = _watch(job)
    before = snapshot()
    measured = scenarios.run(
        loaded.streams, job.load, share, watch, pace_ns, batch=job.options.batch
    )
    machine = {**difference(before, snapshot()), **placement.observe()}
    placement.verify(job.placement.affinity, machine)
    # Only now: some runtimes prove what executes by inferring once more, or by loading again.
    effective = asdict(loaded.session.effective)
    if assumed := _assumptions(job):
        effective["details"] = {**effective["details"], "assumed": assumed}
    return {
        "warmup_ns": warmup.tolist(),
        "samples_ns": measured.samples.tolist(),
        "blocks": [asdict(block) for block in measured.blocks],
        "queries": measured.queries,
        "effective": effective,
        "machine": machine,
    }


def _further_passes(
    job: WorkerJob, protocol: Protocol, loaded: _Loaded, queries: dict[str, Any], deadline: float
) -> Iterator[dict[str, Any]]:
    """What the job asks for besides latency; each pass gets its part of the time left."""
    assert job.path is not None
    for place, name in enumerate(job.passes):
        remaining = deadline - time.monotonic()
        context = Context(
            loaded.session,
            loaded.streams[0],
            loaded.samples,
            job.options,
            protocol,
            Path(job.path),
            runtime=job.runtime,
            device=job.device,
            tensors=loaded.pool,
            streams=loaded.streams,
            queries=queries,
            load=job.load,
            raw=job.raw,
            fed="" if job.samples else synthetic(job, loaded.session, 1).describe(),
            deadline=time.monotonic() + remaining / (len(job.passes) - place),
        )
        yield {"event": "pass", "name": name, "found": passes.make(name, context)}


def _assumptions(job: WorkerJob) -> list[str]:
    """What had to be assumed of the model to measure it, in sentences."""
    sentences = []
    if job.numbers:
        sentences.append(f"{NUMBERS[job.numbers]}: the runtime refused others")
    try:
        signature = read_signature(Path(job.path or ""))
        return [*assumptions(signature, job.options), *sentences]
    except EdgeCNNError:  # a format that only its own library reads
        return sentences


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


def _watch(job: WorkerJob) -> ContentionProbe | None:
    """Probes the machine, where one request comes after the other on the processor."""
    if job.load.scenario not in ("single_stream", "multi_stream"):
        return None
    return ContentionProbe(job.options.threads, job.probes, job.known_ns)
