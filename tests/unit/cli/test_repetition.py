"""From options to a command and back: nothing is lost, whatever the options."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.cli import options
from edgecnn.cli.commands.benchmark import command as benchmark
from edgecnn.cli.commands.run import command as run
from edgecnn.cli.repetition import NOT_REPEATED, shared_words, words
from edgecnn.results import ArtifactRecord, Load, Measurement, Placement, RuntimeOptions
from edgecnn.results.repeat import ROW_OPTIONS, Repeat, repeat_command

TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=","), min_size=1, max_size=12
).filter(lambda text: text.strip() == text)
WHOLE = st.integers(-(10**6), 10**6)
FRACTION = st.floats(allow_nan=False, allow_infinity=False)

VALUES = (
    (options.Name, TEXT),
    (options.Names, st.lists(TEXT, min_size=1, max_size=3).map(tuple)),
    (options.Numbers, st.lists(st.integers(0, 99), min_size=1, max_size=4).map(tuple)),
    (click.Path, TEXT.map(Path)),
    (type(click.INT), WHOLE),
    (type(click.FLOAT), FRACTION),
    (type(click.STRING), TEXT),
)


def values_of(param: click.Parameter) -> st.SearchStrategy:
    """Values that an option of this type can have. A new type needs a line here."""
    kind = param.type
    if param.name == "shape":  # a callback makes one text of all that was given
        return st.sampled_from(["", "1x224x224x3", "first=1x8,second=1x32x32x3"])
    if isinstance(param, click.Option) and param.is_flag:
        return st.booleans() if not param.secondary_opts else st.none() | st.booleans()
    if isinstance(kind, click.Choice):
        chosen = st.sampled_from(kind.choices)
    else:
        known = [values for types, values in VALUES if isinstance(kind, types)]
        if not known:
            pytest.fail(f"{param.opts}: no values for {kind!r} here, and none that come back")
        chosen = known[0]
    if param.nargs == -1:
        return st.lists(chosen, min_size=1, max_size=3).map(tuple)
    if isinstance(param, click.Option) and param.multiple:
        return st.lists(chosen, max_size=3).map(tuple)
    return chosen if param.required else st.none() | chosen


def exposed(command: click.Command) -> dict[str, click.Parameter]:
    """The parameters by name, without further spellings of one of them."""
    found = {}
    for param in command.params:
        if param.expose_value and not isinstance(getattr(param, "flag_value", None), str):
            found[param.name] = param
    return found


def parsed(command: click.Command, line: str) -> dict:
    """The values that the parser makes of a line as it is pasted into a shell."""
    return dict(command.make_context("verb", shlex.split(line)).params)


@pytest.mark.parametrize("command", [benchmark, run], ids=["benchmark", "run"])
def test_a_command_made_of_options_is_parsed_back_to_the_same_options(command):
    params = exposed(command)
    least = "--out r.json m.onnx" if command is benchmark else ""
    defaults = parsed(command, least)

    @settings(max_examples=150, deadline=None)
    @given(st.fixed_dictionaries({name: values_of(param) for name, param in params.items()}))
    def holds(chosen):
        found = parsed(command, shlex.join(words(list(params.values()), chosen)))
        for name, value in chosen.items():
            assert found[name] == (defaults[name] if value is None else value), name

    holds()


def test_every_option_of_benchmark_is_a_rows_or_shared_or_left_out_on_purpose():
    names = {option for param in benchmark.params for option in param.opts if option[0] == "-"}
    assert set(ROW_OPTIONS) <= names
    assert not set(ROW_OPTIONS) & NOT_REPEATED
    with benchmark.make_context("benchmark", ["m.onnx", "--out", "r.json", "--exif", "stored"]):
        shared = shared_words(benchmark)
    at = shared.index("--exif")
    assert shared[at : at + 2] == ("--exif", "stored")
    assert not (NOT_REPEATED | set(ROW_OPTIONS)) & set(shared)


@pytest.mark.parametrize("command", [benchmark, run], ids=["benchmark", "run"])
def test_an_empty_option_that_was_not_given_is_left_out(command):
    line = ["m.onnx", "--out", "r.json"] if command is benchmark else []
    with command.make_context("verb", line):
        shared = shared_words(benchmark)
    assert "--profile" in shared
    assert [word for word in shared if word.endswith("=") or not word] == []


STRICT = RuntimeOptions(threads=3, batch=1, precision="strict_float32", shape="1x3x640x640", beam=2)
SERVER = Load("server", streams=2, target_qps=12.5, latency_bound_ms=7.5)


@pytest.mark.parametrize(
    "typed",
    [
        "--quick",
        "--profile rigorous --min-secs 0.1 --min-runs 3 --max-secs 2.5 --processes 4",
        "--data 'folder:my pictures/it'\"'\"'s' --data-dir '-x y'",
        "--shape 1x3x320x320 --beam 5",
        "--sustained 1m30s --profile-ops --loadgen --classes 'stop sign,car' --strict",
    ],
)
def test_what_a_row_was_asked_for_comes_back(typed):
    line = f"--runtimes litert:cpu,openvino:cpu --threads 1,3 {typed} --out r.json '-m é.tflite'"
    line = line.replace("'-m", "-- '-m")
    with benchmark.make_context("benchmark", shlex.split(line)) as context:
        first = context.params
        repeat = Repeat(shared_words(benchmark), {"abc": "-m é.tflite"})
    row = Measurement(
        ArtifactRecord("-m é.tflite", "tflite", "float32", "abc", 1),
        "openvino",
        "cpu",
        STRICT,
        placement=Placement((0, 1)),
        load=SERVER,
    )
    again = parsed(benchmark, shlex.join(repeat_command(row, repeat, {}, {})[2:]))
    own = {
        "artifacts": (Path("-m é.tflite"),), "runtimes": ("openvino:cpu",), "threads": (3,),
        "batches": (1,), "strict_float32": True, "affinity": (0, 1), "scenario": "server",
        "streams": 2, "target_qps": 12.5, "latency_bound_ms": 7.5,
        "shape": "1x3x640x640", "beam": 2,
    }  # fmt: skip
    assert str(again.pop("out")).startswith("again-")
    assert {name: again.pop(name) for name in own} == own
    assert again == {name: first[name] for name in again}


def test_older_results_give_the_protocols_numbers():
    row = Measurement(ArtifactRecord("a.onnx", "onnx", "float32", "abc", 1), "onnxruntime", "cpu")
    protocol = {"name": "quick", "processes": 1, "min_secs": 0.5, "min_runs": 64, "max_secs": 0.7}
    found = parsed(
        benchmark, shlex.join(repeat_command(row, Repeat(), protocol, {"name": "digits"})[2:])
    )
    assert (found["data"], found["profile"], found["processes"]) == ("digits", "quick", 1)
    assert (found["min_secs"], found["min_runs"], found["max_secs"]) == (0.5, 64, 0.7)


def test_a_row_without_a_file_has_no_command():
    missing = Measurement(ArtifactRecord("a.onnx", "onnx", "float32", "", 0), "", "")
    assert repeat_command(missing, Repeat(), {}, {}) == ()
