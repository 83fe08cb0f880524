"""How and where to measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options.collecting import collected, in_order
from edgecnn.cli.options.kinds import Command, Name, Names, Numbers
from edgecnn.cli.options.names import profile_names, runtime_names, scenario_names

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol
    from edgecnn.results import Load

_PROTOCOL_NUMBERS: Mapping[str, Callable[[Any], Any]] = {
    "min_secs": click.option(
        "--min-secs",
        type=float,
        help="Minimum seconds of undisturbed samples in each process.",
    ),
    "min_runs": click.option(
        "--min-runs",
        type=int,
        help="Minimum samples of a row; 64 give a p90, 662 a p99.",
    ),
    "max_secs": click.option(
        "--max-secs",
        type=float,
        help="Maximum seconds for a row: warm-up, samples and checks of all its processes. "
        "Loading, the accuracy over --data, and what --sustained, --profile-ops and --loadgen ask "
        "for come on top; an inference is never cut.",
    ),
    "processes": click.option(
        "--processes",
        type=int,
        help="Processes per row; below 3 there is no interval.",
    ),
}


@dataclass(frozen=True)
class LoadOptions:
    """How queries arrive, as the options say it."""

    scenario: str
    streams: int | None
    target_qps: float
    latency_bound_ms: float | None

    def resolve(self) -> Load:
        """With the scenario's own defaults. Raises InputError for what makes no sense."""
        from edgecnn.benchmarking.loop import scenarios

        return scenarios.resolve(
            self.scenario,
            self.streams,
            target_qps=self.target_qps,
            latency_bound_ms=self.latency_bound_ms,
        )


@dataclass(frozen=True)
class PassOptions:
    """What to measure of each row besides its latency."""

    loadgen: bool
    sustained: str | None
    profile_ops: bool

    def extend(self, protocol: Protocol) -> Protocol:
        """`protocol` with the time of --sustained. Raises InputError for what is no time."""
        from edgecnn.benchmarking.protocol import parse_duration

        if not self.sustained:
            return protocol
        return replace(protocol, sustained_secs=parse_duration(self.sustained))

    def names(self, profile: str) -> list[str]:
        """The passes over each row in a profile."""
        from edgecnn.benchmarking.benchmark import DEFAULT_PASSES

        names = list(DEFAULT_PASSES)
        if profile == "quick":
            names.remove("energy")  # three seconds a row where there is a sensor
        return names + ["loadgen"] * self.loadgen + ["ops"] * self.profile_ops


def runtimes() -> Callable[[Command], Command]:
    """--runtimes all|LIST."""
    return click.option(
        "--runtimes",
        type=Names(runtime_names),
        default="all",
        show_default=True,
        help="Where to measure, as in litert:cpu,onnxruntime:cuda.",
    )


def on_runtime(
    default: str, *, default_text: bool | str = True, examples: str
) -> Callable[[Command], Command]:
    """--runtime NAME:DEVICE and --threads N of a verb that runs one model in one place."""
    return in_order(
        click.option(
            "--runtime",
            default=default,
            show_default=default_text,
            help=f"Where it runs, as in {examples}.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Threads for the runtime.",
        ),
    )


def protocol(default: str, *, quick_row_secs: float | None = None) -> Callable[[Command], Command]:
    """--profile and the numbers that override it, given to the command as one `protocol`, and
    --threads.

    `quick_row_secs` is the budget of a row in profile quick, where the command has one of its own.
    """

    def build(profile: str, **numbers: Any) -> Protocol:
        from edgecnn.benchmarking.protocol import resolve

        if profile == "quick" and numbers["max_secs"] is None and numbers["min_secs"] is None:
            numbers["max_secs"] = quick_row_secs
        return resolve(profile, **numbers)

    profile = in_order(
        click.option(
            "--profile",
            type=Name(profile_names),
            default=default,
            show_default=True,
            help="Measurement protocol: quick, default or rigorous.",
        ),
        click.option("--quick", "profile", flag_value="quick", help="The same as --profile quick."),
    )
    threads = click.option(
        "--threads",
        type=Numbers(),
        default="1",
        show_default=True,
        help="Threads for each runtime; a list measures each.",
    )
    return in_order(
        collected("protocol", build, {"profile": profile, **_PROTOCOL_NUMBERS}), threads
    )


def scenario() -> Callable[[Command], Command]:
    """--scenario with what belongs to it, given to the command as one `load`."""
    return collected(
        "load",
        LoadOptions,
        {
            "scenario": click.option(
                "--scenario",
                type=Name(scenario_names),
                default="single_stream",
                show_default=True,
                help="How queries arrive: single_stream, multi_stream, offline or server.",
            ),
            "streams": click.option(
                "--streams",
                type=int,
                help="multi_stream: samples per query [8]; offline, server: copies of the "
                "model that run in parallel [1].",
            ),
            "target_qps": click.option(
                "--target-qps",
                type=float,
                default=0.0,
                help="server: queries per second, instead of searching for the highest rate.",
            ),
            "latency_bound_ms": click.option(
                "--latency-bound",
                "latency_bound_ms",
                type=float,
                help="server: limit of the p99 in milliseconds [15].",
            ),
        },
    )


def affinity() -> Callable[[Command], Command]:
    """--affinity CORES."""
    return click.option(
        "--affinity",
        type=Numbers(),
        default=(),
        help="Cores to pin the measuring process to, as in 0,1. Default: none.",
    )


def further_passes() -> Callable[[Command], Command]:
    """--loadgen, --sustained and --profile-ops, given to the command as one `further_passes`."""
    return collected(
        "further_passes",
        PassOptions,
        {
            "loadgen": click.option(
                "--loadgen",
                is_flag=True,
                help="Let MLPerf's LoadGen drive the model too, and keep its summary.",
            ),
            "sustained": click.option(
                "--sustained",
                metavar="TIME",
                help="Also run this long without a pause, as in 10m, to see whether the speed "
                "lasts.",
            ),
            "profile_ops": click.option(
                "--profile-ops",
                is_flag=True,
                help="Measure the time of each operator, in a separate pass.",
            ),
        },
    )
