"""Inference runtimes: one file each, all behind the same Session."""

from __future__ import annotations

from pathlib import Path

from edgecnn.errors import InputError
from edgecnn.formats.kinds import format_of
from edgecnn.registry import RUNTIMES, unknown_name
from edgecnn.results.run_options import RuntimeOptions
from edgecnn.runtimes.base import Runtime, Session


def parse_configuration(text: str) -> tuple[str, str]:
    """Split "litert:gpu" into ("litert", "gpu"); a runtime alone stands for its first device.

    A runtime in a version keeps it: "onnxruntime==1.23.2:cpu" is ("onnxruntime==1.23.2", "cpu").
    Raises InputError with the nearest known name for a runtime or a device nobody has.
    """
    name, colon, device = text.strip().partition(":")
    runtime: type[Runtime] = RUNTIMES.load(without_version(name))
    if not colon:
        return name, runtime.devices[0]
    if device not in runtime.devices:
        raise unknown_name(
            "configuration", f"{name}:{device}", [f"{name}:{known}" for known in runtime.devices]
        )
    return name, device


def without_version(name: str) -> str:
    """The runtime of "onnxruntime==1.23.2"."""
    return name.partition("==")[0]


def load(
    path: str | Path,
    runtime: str = "litert:cpu",
    *,
    threads: int = 1,
    batch: int = 1,
    precision: str = "default",
    shape: str = "",
    beam: int = 0,
) -> Session:
    """Load a model file in a runtime of this environment.

    `runtime` is a configuration as in `parse_configuration`, `precision` "default" or
    "strict_float32"; `shape` gives sizes that the model leaves open ("1x224x224x3", or
    "name=1x16,other=1x16"), `beam` how many hypotheses a sequence model follows (0: its
    own number). Raises InputError for a file or a name that cannot be used,
    UnsupportedError where the runtime would fall back to another device, and
    MissingDependencyError where the runtime is not installed.
    """
    name, device = parse_configuration(runtime)
    if without_version(name) != name:
        raise InputError(
            f"{runtime}: another version runs in a process of its own",
            hint="edgecnn benchmark measures it; here take the version that is installed",
        )
    if threads < 1 or batch < 1:
        raise InputError(f"threads and batch are 1 or more, received: {threads} and {batch}")
    if precision not in ("default", "strict_float32"):
        raise unknown_name("precision", precision, ["default", "strict_float32"])
    chosen: type[Runtime] = RUNTIMES.load(name)
    path = check_format(Path(path), chosen)
    return chosen.open_model(
        path, device, RuntimeOptions(threads, batch, precision, shape=shape, beam=beam)
    )


def reference_runtime(path: Path) -> str:
    """The runtime whose answers count as those of a file's format; where the format names none,
    the first that reads it.

    Raises InputError for a file of no known format, and for a format that no runtime reads.
    """
    known = format_of(path)
    if known.runtime:
        return known.runtime
    for name in RUNTIMES.names():
        if known.name in RUNTIMES.load(name).formats:
            return name
    raise InputError(f"{path.name}: no runtime reads {known.title}")


def check_format(path: Path, runtime: type[Runtime]) -> Path:
    """The path to open; raises InputError when `runtime` does not read the format of `path`."""
    from edgecnn.formats.check import check_model_path

    path = check_model_path(path)
    received = format_of(path).name
    if runtime.reads(received):
        return path
    able = [name for name in RUNTIMES.names() if RUNTIMES.load(name).reads(received)]
    raise InputError(
        f"{path.name}: {runtime.name} reads {' and '.join(runtime.formats)}, received: {received}",
        hint=f"{received} runs on {', '.join(able)}",
    )
