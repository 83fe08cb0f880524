"""Options that several verbs share, with their completion and their parsing."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from edgecnn import __version__
from edgecnn.cli.datasets import reading_options

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


class Names(click.ParamType[Any]):
    """A comma-separated list of names, completed from what is known, checked by the library."""

    name = "list"

    def __init__(self, known: Callable[[], list[str]]) -> None:
        self._known = known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(before + comma + name) for name in self._known() if name.startswith(last)
        ]


class Numbers(click.ParamType[Any]):
    """Whole numbers with a separator between them."""

    name = "numbers"

    def __init__(self, separator: str = ",", example: str = "1,2,4") -> None:
        self.separator = separator
        self._example = example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(self.separator))
        except ValueError:
            self.fail(
                f"expected whole numbers such as {self._example}; received: {value}", param, ctx
            )


class Share(click.ParamType[Any]):
    """A share written as a percentage (3%) or as a fraction (0.03)."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"expected a share such as 3% or 0.03; received: {value}", param, ctx)


def _model_names() -> list[str]:
    from edgecnn.registry import trained_names

    return list(trained_names())


def network_names() -> list[str]:
    """Names of everything that edgecnn has of its own: models, then detectors."""
    from edgecnn.registry import DETECTORS, MODELS

    return [*MODELS.names(), *DETECTORS.names()]


def buildable_names() -> list[str]:
    """Names of everything that can be built: edgecnn's own, then those of keras.applications."""
    from edgecnn.models.applications import APPLICATIONS
    from edgecnn.registry import SEQUENCE_MODELS

    return [*network_names(), *SEQUENCE_MODELS.names(), *APPLICATIONS]


_DATA_WITHOUT_A_PLACE = ("digits", "mnist", "fashion-mnist", "cifar10")


def data_names() -> list[str]:
    """Names of data sources, for completion: with a colon where a place has to follow."""
    from edgecnn.registry import DATA_SOURCES

    return [name if name in _DATA_WITHOUT_A_PLACE else f"{name}:" for name in DATA_SOURCES.names()]


def _runtime_names() -> list[str]:
    from edgecnn.registry import RUNTIMES

    loaded = {name: RUNTIMES.load(name) for name in RUNTIMES.names()}
    return ["all", *(f"{name}:{device}" for name in loaded for device in loaded[name].devices)]


def _target_names() -> list[str]:
    from edgecnn.conversion.targets import TARGETS

    return ["all", *(str(target) for target in TARGETS)]


def _profile_names() -> list[str]:
    from edgecnn.benchmarking.protocol import PROFILES

    return list(PROFILES)


def _scenario_names() -> list[str]:
    from edgecnn.benchmarking.scenarios import SCENARIOS

    return list(SCENARIOS)


def _preprocessing_names() -> list[str]:
    from edgecnn.preprocessing import PRESETS

    return list(PRESETS)


def model(**attributes: Any) -> Callable[[Command], Command]:
    """--model NAME."""
    text = "Network to train; `edgecnn models` lists them."
    return click.option("--model", type=Name(_model_names), help=text, **attributes)


def data(*, classes: bool = True, **attributes: Any) -> Callable[[Command], Command]:
    """--data NAME with --data-dir and how to read it (see `datasets.reading_options`)."""
    text = attributes.pop(
        "help",
        "Data set: digits, mnist, folder:DIR (a folder a class), text:FILE …",
    )

    def decorate(function: Command) -> Command:
        directory = click.option(
            "--data-dir", type=FILE, help="Folder with the data set's files, instead of a download."
        )
        name = click.option("--data", type=Name(data_names), help=text, **attributes)
        return name(directory(reading_options(classes=classes)(function)))

    return decorate


def preprocessing() -> Callable[[Command], Command]:
    """--preprocessing PRESET|FILE."""
    return click.option(
        "--preprocessing",
        type=Name(_preprocessing_names),
        metavar="PRESET|FILE",
        help="How the model's maker prepared its input, where neither a manifest nor the model "
        "says it: raw (pixels 0…255), 0..1, -1..1, tf, imagenet-torch, caffe (each of the last two "
        "with -crop for the center of the shorter side), or a JSON file.",
    )


def _head_names() -> list[str]:
    from edgecnn.registry import HEADS

    return list(HEADS.names())


def about_model(*, labels: str = "classes") -> Callable[[Command], Command]:
    """--head NAME and --labels coco|FILE, for models of other makers."""

    def decorate(function: Command) -> Command:
        head = click.option(
            "--head",
            type=Name(_head_names),
            default="",
            help="A detector's head (yolov8, yolox, ssd …), where its file does not say it.",
        )
        named = click.option(
            "--labels",
            default="",
            metavar="coco|FILE",
            help=f"What the model calls {labels}, where it does not say it: COCO's 80 names, or a "
            "text file with one name a line.",
        )
        return head(named(function))

    return decorate


def label_names(value: str) -> tuple[str, ...]:
    """The names that --labels stands for. Raises InputError for a file that has none."""
    from edgecnn.class_names import coco_names, read_names

    if not value:
        return ()
    return coco_names() if value == "coco" else read_names(Path(value))


def recipe() -> Callable[[Command], Command]:
    """How to train, given to the command as one `recipe`: the fields that were named."""
    known: dict[str, tuple[str, ...]] = {
        "augment": ("none", "light", "standard", "strong"),
        "optimizer": ("adam", "adamw", "sgd"),
        "schedule": ("cosine", "constant", "step"),
        "class_weights": ("none", "balanced"),
        "mixed_precision": ("auto", "off", "bfloat16", "float16"),
    }
    fields: dict[str, tuple[Any, str]] = {
        "batch_size": (int, "Samples per step."),
        "learning_rate": (float, "Largest learning rate."),
        "augment": (None, "How much training samples are changed at random."),
        "mirror": (bool, "Swap left and right (default: only where the data allow it)."),
        "optimizer": (None, "What takes the steps."),
        "schedule": (None, "How the learning rate falls."),
        "warmup_epochs": (float, "Epochs in which the learning rate rises first."),
        "weight_decay": (float, "Decoupled weight decay."),
        "label_smoothing": (float, "Share of a label spread over all classes."),
        "class_weights": (None, "balanced: rare classes count as much as frequent ones."),
        "gradient_clip": (float, "Largest norm of all gradients together."),
        "patience": (int, "Epochs without improvement until training stops."),
        "mixed_precision": (None, "auto: bfloat16 on an accelerator, off on a CPU."),
        "average": (float, "Momentum of a moving average of the weights, which is kept; 0: none."),
        "views": (int, "Views of images in an epoch."),
        "windows": (float, "Share of the epochs that look at windows before whole images."),
        "negatives": (float, "Largest share of views without an object."),
        "hard": (float, "Share of these from images that the --weights find hardest."),
        "pasted": (float, "Share of views with objects of other images pasted in, 8 to 40 pixels."),
        "small": (float, "0 to 1: how much small objects are favored."),
        "drawn": (float, "Share of drawn scenes, for the stop-sign detectors."),
    }

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_recipe(**values: Any) -> Any:
            given = {name: values.pop(name) for name in fields}
            named = {name: value for name, value in given.items() if value is not None}
            return function(recipe=named, **values)

        wrapped: Any = with_recipe
        for name, (kind, text) in reversed(fields.items()):
            flag = "--" + name.replace("_", "-")
            if kind is bool:
                wrapped = click.option(f"{flag}/--no-{name}", default=None, help=text)(wrapped)
            else:
                choice = kind or click.Choice(known[name])
                wrapped = click.option(flag, name, type=choice, help=text)(wrapped)
        return cast("Command", wrapped)

    return decorate


def targets(flag: str = "--to", **attributes: Any) -> Callable[[Command], Command]:
    """--to TARGET[,TARGET…]."""
    text = "Targets, as in tflite:static_int8,onnx:float16; or all."
    return click.option(flag, "targets", type=Names(_target_names), help=text, **attributes)


def runtimes() -> Callable[[Command], Command]:
    """--runtimes all|LIST."""
    return click.option(
        "--runtimes",
        type=Names(_runtime_names),
        default="all",
        show_default=True,
        help="Where to measure, as in litert:cpu,onnxruntime:cuda.",
    )


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
                    type=Name(_profile_names),
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
                    type=Name(_scenario_names),
                    default="single_stream",
                    show_default=True,
                    help="How queries arrive: single_stream, multi_stream, offline or server.",
                ),
                click.option(
                    "--streams",
                    type=int,
                    help="multi_stream: samples per query [8]; offline, server: parallel "
                    "sessions [1].",
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
            help="Measure the time of each operator, in a session of its own.",
        )
        return sustained(profile_ops(function))

    return decorate


def debug() -> Callable[[Command], Command]:
    """--debug, noted for whoever catches the error; the command itself does not get it."""
    return click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_note_debug,
        help="Show a traceback when something goes wrong.",
    )


def accept_global(command: click.Command) -> None:
    """Let `command` and those below it take the flags of `edgecnn` itself, too."""
    if not any("--debug" in param.opts for param in command.params):
        debug()(command)
        click.version_option(__version__, prog_name="edgecnn", hidden=True)(command)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        accept_global(below)


def _note_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    shared = ctx.find_root().obj
    if value and isinstance(shared, dict):
        shared["debug"] = True


def shape() -> Callable[[Command], Command]:
    """--shape [NAME=]SIZES, given to the command as one text (see `runtimes.shapes`)."""

    def check(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> str:
        from edgecnn.runtimes.shapes import parse_shapes

        text = ",".join(values)
        parse_shapes(text)
        return text

    return click.option(
        "--shape",
        multiple=True,
        callback=check,
        metavar="[INPUT=]SIZES",
        help="Sizes for what a model leaves open, as in 1x224x224x3; once for each input.",
    )


def weights() -> Callable[[Command], Command]:
    """--weights FILE."""
    return click.option(
        "--weights",
        metavar="FILE",
        help="Weights for an architecture (JSON) or a network of keras.applications; none: fresh "
        "ones.",
    )


def custom() -> Callable[[Command], Command]:
    """--custom FILE, as often as needed."""
    return click.option(
        "--custom",
        multiple=True,
        type=FILE,
        metavar="MODULE.py",
        help="A Python file that defines or registers layers of the model. It is run.",
    )


def force() -> Callable[[Command], Command]:
    """--force."""
    return click.option("--force", is_flag=True, help="Overwrite what exists.")


def allow_unsafe() -> Callable[[Command], Command]:
    """--allow-unsafe."""
    return click.option(
        "--allow-unsafe",
        is_flag=True,
        help="Run code that a model file carries (Lambda layers). Only for files you trust.",
    )


def claim(*outputs: Path | None) -> None:
    """Hold the outputs of this command until it ends; refuse one that another process writes."""
    from edgecnn.claims import exclusive

    paths = [path for path in outputs if path is not None]
    click.get_current_context().with_resource(exclusive(*paths))


def as_typed() -> str:
    """The command as the user typed it, for the results' provenance."""
    return shlex.join(["edgecnn", *sys.argv[1:]])


class Name(Names):
    """A single name, completed from what is known, checked by the library."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return str(value)
