"""Measure many configurations: fresh processes, in interleaved rounds, saved as they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgecnn.benchmarking.ledger import Ledger
from edgecnn.benchmarking.passes import check as check_passes
from edgecnn.benchmarking.plan import Configuration, plan
from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.calibration_holdout import (
    exclude_calibration_samples,
    hold_out_calibration,
)
from edgecnn.embedded_manifest import load_artifact
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.manifest import Artifact
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.results import Load, Placement, Results, RuntimeOptions
from edgecnn.system import scratch

JUDGING_PASSES = ("response", "synchrony")
"""Without them a row cannot be judged rightly: an answer to noise may be the same for all noise."""
DEFAULT_PASSES = (*JUDGING_PASSES, "memory", "stages", "cost", "energy")


def benchmark(
    artifacts: Sequence[Artifact | Path | str],
    runtimes: Sequence[str] = ("all",),
    *,
    threads: Sequence[int] = (1,),
    batches: Sequence[int] = (1,),
    precision: str = "default",
    options: RuntimeOptions | None = None,
    placement: Placement | None = None,
    load: Load | None = None,
    protocol: Protocol | None = None,
    data: Dataset | None = None,
    preprocessing: Preprocessing | str | None = None,
    about: ModelOptions | None = None,
    passes: Sequence[str] = DEFAULT_PASSES,
    out: Path | None = None,
    previous: Results | None = None,
    command: str = "",
    repeat: Sequence[str] = (),
    wanted: Callable[[Configuration], bool] | None = None,
    progress: Progress = silent,
) -> Results:
    """Measure every artifact on every runtime that reads it; returns one Results.

    With `data`, the test split goes through every configuration: its samples feed the timed loop
    and its labels give the accuracy of that runtime's own outputs; without, inputs are seeded and
    synthetic. `preprocessing` says how models want their input that do not say it themselves (a
    preset's name, a JSON file, or a Preprocessing); where nothing says it, a row has latency on
    synthetic inputs and no accuracy, and says what to give. `about` says what their classes are
    called and which head a detector has, where they do not say it themselves. Finished rows of
    `previous` are kept, unfinished ones completed. `options` are what all rows share besides
    threads, batch and precision; `placement` says on which cores they run, `load` how requests
    arrive (see `scenarios.resolve`). `passes` are made once for each row, in its first process;
    "sustained" is one of them when the protocol names a time for it. With profile default or
    rigorous the machine's limits are measured first, unless they are remembered. `repeat` are the
    options of the command line that a row's own do not say, for whoever wants to measure it again.
    `wanted` leaves out configurations that nobody wants to know. `out` is written as rows finish,
    also when interrupted (KeyboardInterrupt passes through).

    Raises InputError for artifacts, runtimes or options that make no sense, and for runs of
    `previous` from another machine, other versions of their runtimes or another test split; what
    goes wrong with one configuration is a row that says so.
    """
    protocol = protocol or resolve()
    check_passes(passes)
    if protocol.sustained_secs and "sustained" not in passes:
        passes = (*passes, "sustained")
    loaded = [
        item if isinstance(item, Artifact) else load_artifact(Path(item)) for item in artifacts
    ]
    if data is not None:
        data = exclude_calibration_samples(data, [artifact.manifest for artifact in loaded])
        earlier = previous.data if previous is not None else {}
        if earlier.get("set_apart") and earlier.get("sha256") == data.sha256:
            data = hold_out_calibration(data)  # as the rows there were scored
    configurations = plan(
        loaded,
        runtimes,
        threads=threads,
        batches=batches,
        precision=precision,
        options=options,
        placement=placement,
        load=load,
    )
    if wanted is not None:
        configurations = [each for each in configurations if wanted(each)]
    with scratch.folder() as folder:
        ledger = Ledger(
            configurations,
            protocol,
            folder,
            data=data,
            preprocessing=preprocessing,
            about=about,
            passes=tuple(passes),
            out=out,
            previous=previous,
            command=command,
            repeat=tuple(repeat),
            progress=progress,
        )
        ledger.prepare()
        try:
            ledger.measure()
        finally:
            ledger.close()
    return ledger.results
