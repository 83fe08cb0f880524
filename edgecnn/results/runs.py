"""One process of a measurement: its raw samples, and the blocks between two looks at the machine.

A block is a stretch of consecutive samples with the reference kernels run right before and right
after it. Where a kernel took much longer than the machine's best, a neighbor shared the core or
its memory: the samples of that block are kept, but they describe the neighbor as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from edgecnn.records import FieldError, inside, read_record
from edgecnn.results.foreign_text import make_harmless
from edgecnn.results.run_details import MachineDetails, PassDetails, QueryDetails
from edgecnn.statistics.samples import Samples

FEWEST_BLOCKS = 2
"""One undisturbed block among disturbed ones is rather a look that came between two disturbances
than a rest: it is not trusted."""


@dataclass(frozen=True)
class Effective:
    """What really executes, as the runtime itself reports after loading; None where it does not.

    `delegated_fraction` is the share of graph nodes on the accelerated path, `software` is
    True when a "GPU" is emulated on the CPU.
    """

    provider: str
    precision: str
    device_name: str
    delegated_fraction: float | None = None
    threads: int | None = None
    software: bool = False
    runtime_version: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_harmless(self, "provider", "precision", "device_name", "runtime_version", "details")


@dataclass(frozen=True)
class Block:
    """`count` consecutive samples from `first` on, with the reference kernels before and after.

    `reference_ns` is the time of a short computation right before and right after the block,
    `memory_ns` that of a short pass through memory (empty where it was not taken), `delay` the part
    of the time (0…1) in which threads of this process waited for a processor. `quiet` says that
    none of the three was far from the machine's best: nobody shared the core or its caches.
    """

    first: int
    count: int
    reference_ns: tuple[int, ...] = ()
    memory_ns: tuple[int, ...] = ()
    delay: float = 0.0
    quiet: bool = True


@dataclass(frozen=True)
class RunEnvironment:
    """What a process ran on, as it saw it itself: it may be another Python than its parent's.

    `packages` are those that it had loaded: edgecnn, numpy and what the runtime consists of.
    """

    python: str
    kernel: str = ""
    architecture: str = ""
    cpu_model: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_harmless(self, "python", "kernel", "architecture", "cpu_model", "packages")


@dataclass(frozen=True)
class Run:
    """One fresh process: load, first inference, warm-up and steady state apart.

    Times are nanoseconds of a monotonic clock around one inference, input bound before and
    output on the host after. `rss_bytes` holds the resident set "bare" (interpreter and
    numpy), "at_start" (edgecnn's own modules, too), "after_load", and "peak".
    """

    load_ns: int
    first_inference_ns: int
    warmup_ns: tuple[int, ...]
    samples_ns: tuple[int, ...]
    rss_bytes: Mapping[str, int] = field(default_factory=dict)
    effective: Effective | None = None
    import_ns: int = 0
    started_at: str = ""
    round: int = 0
    """Which round of the session this process belongs to: rows of one round were measured within
    one short stretch of time, so that their ratio is free of what the machine did meanwhile."""
    blocks: tuple[Block, ...] = ()
    """Stretches of `samples_ns` and the state of the machine in each; empty where it was not
    looked at (other scenarios than single_stream, results of schema 1)."""
    machine: Annotated[Mapping[str, Any], MachineDetails] = field(default_factory=dict)
    """What the machine did meanwhile: load, steal time, context switches, frequency."""
    queries: Annotated[Mapping[str, Any], QueryDetails] = field(default_factory=dict)
    """Scenarios with several samples under way: samples, elapsed_ns, and for "server" the rate
    offered, the bound, whether it held, and every attempt."""
    passes: Annotated[Mapping[str, Mapping[str, Any]], PassDetails] = field(default_factory=dict)
    """What further passes over the loaded model found, by name ("memory", "energy" …); one that
    could not be made holds `error`."""
    environment: RunEnvironment | None = None
    """None in results of schema 1 and 2, which noted the parent's alone."""

    def __post_init__(self) -> None:
        make_harmless(self, "started_at", "machine", "queries", "passes")

    @property
    def peak_bytes(self) -> int | None:
        """Peak memory of a plain loop over the runtime (interpreter, numpy, runtime, model).

        What edgecnn's own modules take on top ("at_start" less "bare") is left out where both are
        known; None without a peak.
        """
        peak = self.rss_bytes.get("peak")
        if peak is None or not {"at_start", "bare"} <= self.rss_bytes.keys():
            return peak
        return peak - (self.rss_bytes["at_start"] - self.rss_bytes["bare"])

    def to_dict(self) -> dict[str, Any]:
        """What `run_from_dict` reads. `asdict` copies each sample: half a second for a session."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "effective": asdict(self.effective) if self.effective else None,
            "blocks": [vars(block) for block in self.blocks],
            "environment": asdict(self.environment) if self.environment else None,
        }

    @cached_property
    def all_ns(self) -> Samples:
        """`samples_ns` as an array."""
        return np.asarray(self.samples_ns, np.int64)

    @cached_property
    def quiet_ns(self) -> Samples:
        """The samples of undisturbed blocks; all samples where no blocks were taken."""
        return self.all_ns if not self.blocks else self.all_ns[self._is_quiet]

    @cached_property
    def contended_ns(self) -> Samples:
        """The samples of disturbed blocks."""
        return self.all_ns[:0] if not self.blocks else self.all_ns[~self._is_quiet]

    @cached_property
    def quiet_median_ns(self) -> float | None:
        """The median latency of the undisturbed machine; None when it was never undisturbed."""
        return float(np.median(self.quiet_ns)) if self.quiet_ns.size else None

    @cached_property
    def _is_quiet(self) -> npt.NDArray[np.bool_]:
        quiet = np.zeros(len(self.samples_ns), np.bool_)
        undisturbed = [block for block in self.blocks if block.quiet]
        if len(undisturbed) < min(FEWEST_BLOCKS, len(self.blocks)):
            return quiet
        for block in undisturbed:
            quiet[block.first : block.first + block.count] = True
        return quiet


def run_from_dict(values: Any, at: str = "run") -> Run:
    """Read a Run from a JSON object that lies at the path `at`; keys it does not know are left out.

    Raises FieldError for a field that is missing, of another type, or impossible: a negative
    time, a block beyond the samples, queries without a count.
    """
    run = read_record(Run, values, at)
    for name in ("load_ns", "first_inference_ns", "import_ns"):
        if getattr(run, name) < 0:
            raise FieldError(inside(at, name), f"is negative: {getattr(run, name)}")
    for name in ("warmup_ns", "samples_ns"):
        times = getattr(run, name)
        if times and min(times) < 0:
            place = inside(inside(at, name), times.index(min(times)))
            raise FieldError(place, f"is negative: {min(times)}")
    for index, block in enumerate(run.blocks):
        if min(block.first, block.count) < 0 or block.first + block.count > len(run.samples_ns):
            raise FieldError(
                inside(inside(at, "blocks"), index),
                f"covers samples {block.first} to {block.first + block.count} "
                f"of {len(run.samples_ns)}",
            )
    _check_queries(run.queries, inside(at, "queries"))
    for name, content in run.passes.items():
        if not isinstance(content, Mapping):
            raise FieldError(inside(inside(at, "passes"), name), "expected an object")
    return run


def _check_queries(queries: Mapping[str, Any], at: str) -> None:
    needed = ("samples", "elapsed_ns", *(("reason",) if queries.get("valid") is False else ()))
    for name in needed if queries else ():
        if name not in queries:
            raise FieldError(inside(at, name), "is missing")
    for name in ("samples", "elapsed_ns") if queries else ():
        if queries[name] < 0:
            raise FieldError(inside(at, name), f"is negative: {queries[name]}")
