"""The command that measures one row again, from what the results keep.

A row says itself what it was (file, runtime, threads, batch, scenario …). Everything else that
was asked for comes as the command line's own words, which whoever parsed them writes into the
results: an option that is added there is kept without a change here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the command line reads this module and must not import numpy
    from edgecnn.results.measurements import Measurement

MOST_WORDS = 100
LONGEST_WORD = 4_096


@dataclass(frozen=True)
class Repeat:
    """What results keep for it: `options` of `edgecnn benchmark` besides a row's own, in words
    ("--data", "digits"), and `paths` of the model files, by sha256, as they were given.
    """

    options: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=dict)


def _scenario(value: Callable[[Measurement], Any]) -> Callable[[Measurement], Any]:
    """A value that only scenarios with several samples have."""
    return lambda row: value(row) if row.load.scenario != "single_stream" else None


def _server(value: Callable[[Measurement], Any]) -> Callable[[Measurement], Any]:
    return lambda row: value(row) if row.load.scenario == "server" else None


ROW_OPTIONS: Mapping[str, Callable[[Measurement], Any]] = {
    "--runtimes": lambda row: row.configuration or None,
    "--threads": lambda row: row.options.threads,
    "--batch": lambda row: row.options.batch,
    "--strict-float32": lambda row: row.options.precision == "strict_float32",
    "--shape": lambda row: row.options.shape or None,
    "--beam": lambda row: row.options.beam or None,
    "--affinity": lambda row: ",".join(map(str, row.placement.affinity)) or None,
    "--scenario": _scenario(lambda row: row.load.scenario),
    "--streams": _scenario(lambda row: row.load.streams),
    "--target-qps": _server(lambda row: row.load.target_qps or None),
    "--latency-bound": _server(lambda row: row.load.latency_bound_ms),
}
"""Options whose value is the row's: None and False leave the option out, True is a flag."""


def repeat_command(
    measurement: Measurement,
    repeat: Repeat,
    protocol: Mapping[str, Any],
    data: Mapping[str, Any],
) -> tuple[str, ...]:
    """The words of the command; empty for a row without a model file.

    Of results that keep no words (older ones, or measured from Python) the options come from
    the protocol's numbers and the data set's name.
    """
    artifact = measurement.artifact
    if not measurement.runtime or not artifact.sha256:
        return ()
    words = ["edgecnn", "benchmark", _as_argument(repeat.paths.get(artifact.sha256, artifact.name))]
    shared = repeat.options or tuple(_from_records(measurement, protocol, data))
    words += [word[:LONGEST_WORD] for word in shared[:MOST_WORDS]]
    for option, value_of in ROW_OPTIONS.items():
        words += option_words(option, value_of(measurement))
    return (*words, "--out", _file_for(measurement))


def option_words(option: str, value: Any) -> list[str]:
    """An option with its value as a command line takes it: nothing for None and False."""
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    text = repr(value) if isinstance(value, float) else str(value)
    return [f"{option}={text}"] if text.startswith("-") or not text else [option, text]


def _as_argument(path: str) -> str:
    """A path that no parser takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def _from_records(
    measurement: Measurement, protocol: Mapping[str, Any], data: Mapping[str, Any]
) -> Sequence[str]:
    words = option_words("--data", data.get("name"))
    if isinstance(data.get("preprocessing"), str):
        words += option_words("--preprocessing", data["preprocessing"])
    for option, key in (
        ("--profile", "name"),
        ("--min-secs", "min_secs"),
        ("--min-runs", "min_runs"),
        ("--max-secs", "max_secs"),
        ("--processes", "processes"),
        ("--sustained", "sustained_secs"),
    ):
        words += option_words(option, protocol.get(key) or None)
    passes = {name for run in measurement.runs for name in run.passes}
    words += ["--loadgen"] * ("loadgen" in passes) + ["--profile-ops"] * ("ops" in passes)
    return words


def _file_for(measurement: Measurement) -> str:
    """A results file that belongs to this row alone."""
    stem = PurePath(measurement.artifact.name).stem
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{stem} {measurement.configuration}").strip("-")[:80]
    digest = hashlib.sha256("\0".join(measurement.key).encode(errors="replace")).hexdigest()[:6]
    return f"again-{name}-{digest}.json"
