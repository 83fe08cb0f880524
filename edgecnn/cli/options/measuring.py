"""How and where to measure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import click

from edgecnn.cli.options.kinds import Command, Name, Names, Numbers
from edgecnn.cli.options.names import profile_names, runtime_names, scenario_names


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

    def decorate(function: Command) -> Command:
        runtime = click.option(
            "--runtime",
            default=default,
            show_default=default_text,
            help=f"Where it runs, as in {examples}.",
        )
        threads = click.option(
            "--threads",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Threads for the runtime.",
        )
        return runtime(threads(function))

    return decorate


def protocol(default: str, *, quick_row_secs: float | None = None) -> Callable[[Command], Command]:
    """--profile and the numbers that override it, given to the command as one `protocol`.

    `quick_row_secs` is the budget of a row in profile quick, where the command has one of its own.
    """

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_protocol(
            *,
            profile: str,
            min_secs: float | None,
            min_runs: int | None,
            max_secs: float | None,
            processes: int | None,
            **others: Any,
        ) -> Any:
            from edgecnn.benchmarking.protocol import resolve

            if profile == "quick" and max_secs is None and min_secs is None:
                max_secs = quick_row_secs
            resolved = resolve(
                profile,
                min_secs=min_secs,
                min_runs=min_runs,
                max_secs=max_secs,
                processes=processes,
            )
            return function(protocol=resolved, **others)

        wrapped: Any = with_protocol
        for option in reversed(
            [
                click.option(
                    "--profile",
                    type=Name(profile_names),
                    default=default,
                    show_default=True,
                    help="Measurement protocol: quick, default or rigorous.",
                ),
                click.option(
                    "--quick", "profile", flag_value="quick", help="The same as --profile quick."
                ),
                click.option(
                    "--min-secs",
                    type=float,
                    help="Minimum seconds of undisturbed samples in each process.",
                ),
                click.option(
                    "--min-runs",
                    type=int,
                    help="Minimum samples of a row; 64 give a p90, 662 a p99.",
                ),
                click.option(
                    "--max-secs",
                    type=float,
                    help="Maximum seconds for a row: warm-up, samples and checks of all its "
                    "processes. Loading, the accuracy over --data, and what --sustained, "
                    "--profile-ops and --loadgen ask for come on top; an inference is never cut.",
                ),
                click.option(
                    "--processes",
                    type=int,
                    help="Processes per row; below 3 there is no interval.",
                ),
                click.option(
                    "--threads",
                    type=Numbers(),
                    default="1",
                    show_default=True,
                    help="Threads for each runtime; a list measures each.",
                ),
            ]
        ):
            wrapped = option(wrapped)
        return cast("Command", wrapped)

    return decorate


def scenario() -> Callable[[Command], Command]:
    """--scenario with what belongs to it, --affinity and --loadgen."""

    def decorate(function: Command) -> Command:
        for option in reversed(
            [
                click.option(
                    "--scenario",
                    type=Name(scenario_names),
                    default="single_stream",
                    show_default=True,
                    help="How queries arrive: single_stream, multi_stream, offline or server.",
                ),
                click.option(
                    "--streams",
                    type=int,
                    help="multi_stream: samples per query [8]; offline, server: copies of the "
                    "model that run in parallel [1].",
                ),
                click.option(
                    "--target-qps",
                    type=float,
                    default=0.0,
                    help="server: queries per second, instead of searching for the highest rate.",
                ),
                click.option(
                    "--latency-bound",
                    "latency_bound_ms",
                    type=float,
                    help="server: limit of the p99 in milliseconds [15].",
                ),
                click.option(
                    "--affinity",
                    type=Numbers(),
                    default=(),
                    help="Cores to pin the measuring process to, as in 0,1. Default: none.",
                ),
                click.option(
                    "--loadgen",
                    is_flag=True,
                    help="Let MLPerf's LoadGen drive the model too, and keep its summary.",
                ),
            ]
        ):
            function = option(function)
        return function

    return decorate


def further_passes() -> Callable[[Command], Command]:
    """--sustained and --profile-ops."""

    def decorate(function: Command) -> Command:
        sustained = click.option(
            "--sustained",
            metavar="TIME",
            help="Also run this long without a pause, as in 10m, to see whether the speed lasts.",
        )
        profile_ops = click.option(
            "--profile-ops",
            is_flag=True,
            help="Measure the time of each operator, in a separate pass.",
        )
        return sustained(profile_ops(function))

    return decorate
