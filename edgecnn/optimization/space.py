"""Search space: recipes of each format, and the runtimes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.executor.job import WorkerJob
from edgecnn.benchmarking.executor.process import run_worker
from edgecnn.benchmarking.machine.doctor import probe
from edgecnn.conversion.converter import Converter
from edgecnn.conversion.inference.activations import operators_in
from edgecnn.conversion.layer_names import short_name
from edgecnn.conversion.recipe import PRESETS, Recipe
from edgecnn.conversion.targets import FORMATS_WITH
from edgecnn.errors import EdgeCNNError, MissingDependencyError
from edgecnn.progress import Progress, silent
from edgecnn.registry import RUNTIMES
from edgecnn.results import RuntimeOptions
from edgecnn.runtimes import parse_configuration, without_version
from edgecnn.runtimes.base import Runtime

CALIBRATIONS = ("static_int8", "static_int8_mse", "static_int8_percentile")
"""Presets of int8 that differ in how ranges are found."""
NOT_DEPLOYED = ("keras",)
"""Runtimes that "all" leaves out: what the model comes from."""
LAYERS_NAMED = 3


@dataclass(frozen=True)
class Obstacle:
    """Why something is not searched: a format that the model does not fit, a runtime that is not
    here or does not take the model.
    """

    where: str
    why: str
    hint: str = ""


@dataclass(frozen=True)
class ConfigurationSpace:
    """For each format the `runtime:device` configurations that load the model, and what stands in
    the way elsewhere.
    """

    configurations: dict[str, tuple[str, ...]]
    obstacles: tuple[Obstacle, ...]

    @property
    def formats(self) -> tuple[str, ...]:
        """Those that some runtime takes."""
        return tuple(name for name, there in self.configurations.items() if there)


def whole_recipes(file_format: str) -> list[tuple[str, Recipe]]:
    """The presets without ranges, and int16x8, that a format has; float32 first."""
    names = ("float32", "dynamic_int8", "float16", "int16x8")
    return [(name, PRESETS[name]) for name in names if name in FORMATS_WITH[file_format]]


def explore(
    converter: Converter, runtimes: Sequence[str], *, progress: Progress = silent
) -> ConfigurationSpace:
    """Load the float file of each format in each runtime that is asked for and here.

    Operators that a runtime lacks are named with the layers that they come from. Raises
    InputError for an unknown runtime, MissingDependencyError where none is left.
    """
    obstacles: list[Obstacle] = []
    availability: dict[str, bool] = {}
    here = [each for each in devices(runtimes) if _is_here(*each, availability, obstacles)]
    files = _float_files(converter, here, obstacles, progress)
    configurations: dict[str, tuple[str, ...]] = {}
    for name, path in files.items():
        progress("preflight", len(configurations), len(files), name)
        configurations[name] = tuple(
            f"{runtime}:{device}"
            for runtime, device in here
            if name in _runtime(runtime).formats and _loads(path, runtime, device, obstacles)
        )
    progress("preflight", len(files), len(files))
    if not any(configurations.values()):
        first = obstacles[0] if obstacles else Obstacle("this machine", "no runtime is asked for")
        raise MissingDependencyError(
            f"no runtime of {', '.join(runtimes)} takes the model; {first.where}: {first.why}",
            hint=first.hint or "run edgecnn doctor to see what this machine can run",
        )
    return ConfigurationSpace(configurations, tuple(obstacles))


def _float_files(
    converter: Converter,
    wanted: Sequence[tuple[str, str]],
    obstacles: list[Obstacle],
    progress: Progress,
) -> dict[str, Path]:
    """The float file of each format that a runtime reads. From ONNX another library is needed to
    write the others: that way is taken for the runtimes that do not read ONNX themselves.
    """
    files = {}
    own = converter.source.record().get("format", "")
    for number, name in enumerate(FORMATS_WITH):
        readers = [_runtime(runtime) for runtime, _ in wanted if name in _runtime(runtime).formats]
        if not readers:
            continue
        if name != own == "onnx" and all(own in reader.formats for reader in readers):
            obstacles.append(Obstacle(name, f"what reads it here reads the model's own {own}"))
            continue
        progress("convert", number, len(FORMATS_WITH), f"{name}:float32")
        try:
            files[name] = converter.float_file(name)
        except EdgeCNNError as error:
            obstacles.append(Obstacle(name, error.message, error.hint))
    progress("convert", len(FORMATS_WITH), len(FORMATS_WITH))
    return files


def _runtime(name: str) -> type[Runtime]:
    runtime: type[Runtime] = RUNTIMES.load(without_version(name))
    return runtime


def _is_here(
    runtime: str, device: str, availability: dict[str, bool], obstacles: list[Obstacle]
) -> bool:
    """Whether this machine has a device, asked once."""
    configuration = f"{runtime}:{device}"
    if versions.is_versioned(runtime):
        return True  # it was found when it was named
    if configuration not in availability:
        state = probe(runtime, device)
        availability[configuration] = state.available
        if not state.available:
            obstacles.append(Obstacle(configuration, state.reason, state.hint))
    return availability[configuration]


def _loads(path: Path, runtime: str, device: str, obstacles: list[Obstacle]) -> bool:
    problem = _refusal(path, runtime, device)
    if problem is not None:
        obstacles.append(problem)
    return problem is None


def devices(runtimes: Sequence[str]) -> list[tuple[str, str]]:
    """(runtime, device) of each configuration; "all" stands for those that a model may ship on.

    Raises InputError for one that nobody has, and for a version that is not created.
    """
    pairs: dict[tuple[str, str], None] = {}
    for text in runtimes:
        if text != "all":
            name, device = parse_configuration(text)
            name = environments.resolve(name) if versions.is_versioned(name) else name
            pairs[name, device] = None
            continue
        for name in RUNTIMES.names():
            if name not in NOT_DEPLOYED:
                for device in RUNTIMES.load(name).devices:
                    pairs[name, device] = None
    return list(pairs)


def _refusal(path: Path, runtime: str, device: str) -> Obstacle | None:
    """Why a runtime does not load a float file, with the layers of what it lacks."""
    home = runtime if versions.is_versioned(runtime) else _runtime(runtime).environment
    python = environments.python_of(home) if home else None
    job = WorkerJob(without_version(runtime), device, RuntimeOptions(), str(path))
    outcome = run_worker(job, python)
    if outcome.status == "ok":
        return None
    message = outcome.error or outcome.status
    layers = _layers_of(path, message)
    return Obstacle(
        f"{path.suffix[1:]} on {runtime}:{device}", message + layers, outcome.hint or ""
    )


def _layers_of(path: Path, message: str) -> str:
    """The layers whose operators a message names, as in " (from conv3d_1, conv3d_2 and 2 more)"."""
    words = {word.strip(".,:;()'\"").upper() for word in message.split()}
    try:
        names = [each.name for each in operators_in(path) if each.kind.upper() in words]
    except EdgeCNNError:
        return ""
    if not names:
        return ""
    more = f" and {len(names) - LAYERS_NAMED} more" if len(names) > LAYERS_NAMED else ""
    listing = ", ".join(short_name(name) for name in names[:LAYERS_NAMED])
    return f" (from {listing}{more})"
