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
import itertools
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

from edgecnn.benchmarking import passes, placement, scenarios
from edgecnn.benchmarking.observation import difference, resident_bytes, snapshot
from edgecnn.benchmarking.passes import Context
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.benchmarking.raw import RawSamples
from edgecnn.errors import EdgeCNNError, InputError, MissingDependencyError, UnsupportedError
from edgecnn.registry import RUNTIMES
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes.base import Runtime, Session
from edgecnn.runtimes.tensors import to_model
from edgecnn.synthetic_inputs import SyntheticInputs, is_batched

POOL_SIZE = 32
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """What a worker is to do.

    Without a `path` it probes the device, without a `protocol` it loads the model, tells what
    it is, and leaves.

    `samples` is a .npy file (n, …) of real-valued samples, channels last, that fit the model's
    one input; without it the worker draws seeded synthetic ones: word ids below
    `vocabulary_size` and each input's entry of `id_limits`, real values in `value_range`
    ([0, 1) where nobody knows). `outputs` is the folder where the outputs of all samples are
    written (0.npy, 1.npy …), when they are wanted. `passes` names what else to find out about
    the loaded model once its latency is known; `raw` are samples before preprocessing, for the
    pass `stages`.
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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Job:
        values = json.loads(line)
        options = values["options"]
        values["options"] = RuntimeOptions(**{**options, "affinity": tuple(options["affinity"])})
        if values["raw"] is not None:
            values["raw"] = RawSamples.from_dict(values["raw"])
        values["id_limits"] = tuple(values["id_limits"])
        if values["value_range"] is not None:
            values["value_range"] = tuple(values["value_range"])
        if values["protocol"] is not None:
            values["protocol"] = Protocol(**values["protocol"])
        return cls(**values)


def main(parent: int) -> int:
    """Serve one job of the process `parent`; exits with 0 even when the answer is an `error`."""
    _die_with_parent(parent)
    events = _claim_standard_output()
    job = Job.from_json(sys.stdin.readline())
    try:
        for event in serve(job):
            print(json.dumps(event, allow_nan=False), file=events, flush=True)
    except EdgeCNNError as error:
        status = "unsupported" if isinstance(error, UNSUPPORTED) else "failed"
        report = {"event": "error", "status": status, "message": error.message, "hint": error.hint}
        print(json.dumps(report), file=events, flush=True)
    return 0


UNSUPPORTED = (UnsupportedError, MissingDependencyError)


def serve(job: Job) -> Iterator[dict[str, Any]]:
    """Do the job, yielding events as they come."""
    placement.pin(job.options.affinity)
    rss = {"at_start": resident_bytes()["now"]}
    started_at = datetime.now().astimezone().isoformat(timespec="seconds")
    runtime: type[Runtime] = RUNTIMES.load(job.runtime)

    start = time.perf_counter_ns()
    availability = runtime.probe(job.device)
    import_ns = time.perf_counter_ns() - start
    if job.path is None:
        yield {"event": "probed", "availability": asdict(availability)}
        return
    if not availability.available:
        raise UnsupportedError(availability.reason, hint=availability.hint)

    start = time.perf_counter_ns()
    session = runtime.load(Path(job.path), job.device, job.options)
    load_ns = time.perf_counter_ns() - start
    more = scenarios.sessions_needed(job.options) - 1 if job.protocol else 0
    further = [runtime.load(Path(job.path), job.device, job.options) for _ in range(more)]
    rss["after_load"] = resident_bytes()["now"]
    yield {
        "event": "loaded",
        "inputs": [asdict(spec) for spec in session.inputs],
        "outputs": [asdict(spec) for spec in session.outputs],
    }
    if job.protocol is None:
        yield {"event": "inspected"}
        return

    samples = _open_samples(job, session)
    pool = _pool(samples, session, job.options.batch)
    streams = [[each.bind(tensors) for tensors in pool] for each in (session, *further)]
    invocations = streams[0]
    start = time.perf_counter_ns()
    invocations[0]()
    first_inference_ns = time.perf_counter_ns() - start
    warmup = scenarios.warm(streams, job.protocol)
    before = snapshot()
    measured = scenarios.run(streams, job.options, job.protocol)
    machine = {**difference(before, snapshot()), **placement.observe()}
    placement.verify(job.options.affinity, machine)
    rss["peak"] = resident_bytes()["peak"]
    # Only now: some runtimes prove what executes by inferring once more, or by loading again.
    effective = asdict(session.effective)
    yield {
        "event": "measured",
        "run": {
            "load_ns": load_ns,
            "import_ns": import_ns,
            "first_inference_ns": first_inference_ns,
            "warmup_ns": warmup.tolist(),
            "samples_ns": measured.samples.tolist(),
            "queries": measured.queries,
            "rss_bytes": rss,
            "effective": effective,
            "started_at": started_at,
            "machine": machine,
        },
    }
    for name in job.passes:
        context = Context(
            session,
            invocations,
            samples,
            job.options,
            job.protocol,
            Path(job.path),
            runtime=job.runtime,
            device=job.device,
            tensors=pool,
            streams=streams,
            queries=measured.queries,
            raw=job.raw,
            fed="" if job.samples else synthetic(job, session, 1).describe(),
        )
        yield {"event": "pass", "name": name, "found": passes.make(name, context)}
    if job.outputs is not None:
        _write_outputs(session, samples, job.options.batch, Path(job.outputs))
        yield {"event": "outputs", "path": job.outputs}


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


def _open_samples(job: Job, session: Session) -> Sequence[npt.NDArray[Any]]:
    """One array (n, …) for each input of the model."""
    if job.samples is None:
        return synthetic(job, session, POOL_SIZE).arrays()
    if len(session.inputs) != 1:
        names = ", ".join(spec.name for spec in session.inputs)
        raise InputError(
            f"the data have one tensor a sample, the model takes {len(session.inputs)}: {names}",
            hint="benchmark it without --data: inputs are then synthetic",
        )
    return [np.load(job.samples, mmap_mode="r")]


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
    )


def _batches(
    samples: Sequence[npt.NDArray[Any]], session: Session, batch: int
) -> Iterator[list[npt.NDArray[Any]]]:
    """Model-ready inputs, `batch` samples each; the last batch is filled with the first samples."""
    count = len(samples[0])
    for start in range(0, count, batch):
        indices = [index % count for index in range(start, start + batch)]
        yield [
            to_model(np.asarray(array[indices if is_batched(spec, batch) else indices[0]]), spec)
            for array, spec in zip(samples, session.inputs, strict=True)
        ]


def _pool(
    samples: Sequence[npt.NDArray[Any]], session: Session, batch: int
) -> list[list[npt.NDArray[Any]]]:
    """Distinct inputs for the timed loop: at most 32, spread over all samples."""
    count = len(samples[0])
    stride = max(1, count // (POOL_SIZE * batch))
    spread = [array[::stride][: POOL_SIZE * batch] for array in samples]
    return list(itertools.islice(_batches(spread, session, batch), POOL_SIZE))


def _write_outputs(
    session: Session, samples: Sequence[npt.NDArray[Any]], batch: int, folder: Path
) -> None:
    """Infer every sample once and write each output that has an entry a sample: real values
    (n, …).
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = len(samples[0])
    written: list[np.memmap[Any, Any]] = []
    for number, tensors in enumerate(_batches(samples, session, batch)):
        outputs = [output for output in session.run_bound(tensors) if output.shape[:1] == (batch,)]
        if not written:
            written = [
                np.lib.format.open_memmap(
                    folder / f"{index}.npy", "w+", output.dtype, (count, *output.shape[1:])
                )
                for index, output in enumerate(outputs)
            ]
        start = number * batch
        stop = min(start + batch, count)
        for array, output in zip(written, outputs, strict=True):
            array[start:stop] = output[: stop - start]
    for array in written:
        array.flush()


def output_paths(folder: Path) -> list[Path]:
    """The files in which a worker left its model's outputs, in the model's order."""
    return sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
