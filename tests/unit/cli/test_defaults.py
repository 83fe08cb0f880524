"""What a help screen shows as a default, or as a choice, is the library's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import click
import pytest

from edgecnn.analysis import compare, gate
from edgecnn.benchmarking import bisection
from edgecnn.benchmarking.protocol import PROFILES, parse_duration
from edgecnn.boards.inventory import Board
from edgecnn.cli.options import defaulted, without_none
from edgecnn.conversion.verification.verify import verify_artifact
from edgecnn.data.boxes import exif
from edgecnn.data.packed.writing import pack
from edgecnn.explanation.explain import explain
from edgecnn.optimization import goal, optimize
from edgecnn.search import settings, trials, worker_pool
from edgecnn.vision.collect import CollectSettings
from edgecnn.vision.detectors.detector import load_detector
from edgecnn.vision.sources.capture import Patience
from tests.unit.cli.test_help import SCREENS


def of(function: Callable[..., Any], name: str) -> Any:
    """The default of a parameter."""
    return inspect.signature(function).parameters[name].default


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def as_it_is(value: Any) -> Any:
    return value


LIBRARY = {
    ("boards add", "python"): (as_it_is, of(Board, "python")),
    ("compare", "threshold"): (as_it_is, of(compare.compare, "threshold")),
    ("data capture", "every"): (parse_duration, of(CollectSettings, "every_s")),
    ("data capture", "min_difference"): (as_it_is, of(CollectSettings, "min_difference")),
    ("data pack", "shard_size"): (as_it_is, of(pack, "shard_bytes")),
    ("detect", "model"): (as_it_is, of(load_detector, "model")),
    ("detect", "runtime"): (as_it_is, of(load_detector, "runtime")),
    ("detect", "threads"): (as_it_is, of(load_detector, "threads")),
    ("detect", "read_timeout"): (as_it_is, Patience().read_s),
    ("detect", "reconnect"): (as_it_is, Patience().return_s),
    ("explain", "top"): (as_it_is, of(explain, "top")),
    ("optimize", "max_drop"): (goal.parse_points, goal.Goal().max_drop),
    ("optimize", "objective"): (as_it_is, goal.Goal().objective),
    ("optimize", "samples"): (as_it_is, optimize.OptimizationSettings().samples),
    ("optimize", "seed"): (as_it_is, optimize.OptimizationSettings().seed),
    ("optimize", "runtimes"): (as_it_is, optimize.OptimizationSettings().runtimes),
    ("optimize", "threads"): (as_it_is, optimize.OptimizationSettings().threads),
    ("optimize", "profile"): (PROFILES.__getitem__, optimize.OptimizationSettings().protocol),
    ("results bisect", "threshold"): (as_it_is, of(bisection.bisect, "threshold")),
    ("results gate", "threshold"): (as_it_is, of(gate.regression_gate, "threshold")),
    ("search", "objectives"): (names, trials.SearchGoal().objectives),
    ("search", "pruning"): (as_it_is, of(settings.SearchSettings, "pruning")),
    ("search", "runtime"): (as_it_is, of(settings.SearchSettings, "runtime")),
    ("search", "sampler"): (as_it_is, of(settings.SearchSettings, "sampler")),
    ("search", "seed"): (as_it_is, of(settings.SearchSettings, "seed")),
    ("search", "threads"): (as_it_is, of(settings.SearchSettings, "threads")),
    ("search", "trials"): (as_it_is, of(settings.SearchSettings, "trials")),
    ("search", "workers"): (as_it_is, worker_pool.Cluster().workers),
    ("verify", "max_drop"): (as_it_is, of(verify_artifact, "max_drop")),
}
"""By verb and option: how the command reads the shown text, and the library's default."""

CHOICES = {
    ("optimize", "objective"): goal.OBJECTIVES,
    ("search", "objective"): tuple(trials.OBJECTIVES),
    ("train", "exif"): exif.READINGS,
}


def option(verb: str, name: str) -> click.Option:
    return next(param for param in SCREENS[f"edgecnn {verb}"].params if param.name == name)


def shown(param: click.Option) -> Any:
    """The default that the help screen shows, as the option's type reads it."""
    extra = param.get_help_extra(click.Context(click.Command("verb")))
    return param.type.convert(extra["default"], param, None)


@pytest.mark.parametrize(("verb", "name"), LIBRARY)
def test_the_shown_default_is_the_librarys(verb: str, name: str):
    read, default = LIBRARY[verb, name]
    assert read(shown(option(verb, name))) == default


def test_every_option_that_leaves_its_default_to_the_library_is_compared_with_it():
    left = {
        (words.removeprefix("edgecnn "), param.name)
        for words, command in SCREENS.items()
        for param in command.params
        if type(param).__name__ == "_Defaulted"
    }
    assert len(left) > 15
    assert left <= LIBRARY.keys()


@pytest.mark.parametrize(("verb", "name"), CHOICES)
def test_the_choices_are_the_librarys(verb: str, name: str):
    assert tuple(option(verb, name).type.choices) == CHOICES[verb, name]


def test_a_default_of_the_library_is_shown_and_left_out_of_the_call():
    @click.command()
    @defaulted("--count", type=int, default_text="7", help="How many.")
    @click.pass_obj
    def command(seen: dict[str, Any], count: int | None) -> None:
        seen.update(without_none(count=count))

    assert "[default: 7]" in command.get_help(click.Context(command))
    for words, expected in (([], {}), (["--count", "0"], {"count": 0})):
        seen: dict[str, Any] = {}
        command.main(words, obj=seen, standalone_mode=False)
        assert seen == expected
