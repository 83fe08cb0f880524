"""Plan the rows of a benchmark: artifacts × runtimes that read their format × options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.loop.scenarios import check as check_scenario
from edgecnn.errors import InputError
from edgecnn.manifest import Artifact
from edgecnn.registry import RUNTIMES
from edgecnn.results import ArtifactRecord, Load, Measurement, Placement, RuntimeOptions
from edgecnn.runtimes import parse_configuration, without_version
from edgecnn.runtimes.base import Runtime
from edgecnn.runtimes.declared import samples_of


@dataclass(frozen=True)
class Configuration:
    """One row to measure."""

    artifact: Artifact
    runtime: str
    device: str
    options: RuntimeOptions
    placement: Placement = field(default_factory=Placement)
    load: Load = field(default_factory=Load)

    def measurement(self) -> Measurement:
        """The row before anything was measured."""
        return Measurement(
            record_of(self.artifact),
            self.runtime,
            self.device,
            self.options,
            placement=self.placement,
            load=self.load,
        )

    def __str__(self) -> str:
        return f"{self.artifact.name} on {self.runtime}:{self.device}"


def plan(
    artifacts: Sequence[Artifact],
    runtimes: Sequence[str] = ("all",),
    *,
    threads: Sequence[int] = (1,),
    batches: Sequence[int] = (1,),
    precision: str = "default",
    options: RuntimeOptions | None = None,
    placement: Placement | None = None,
    load: Load | None = None,
) -> list[Configuration]:
    """All configurations that make sense, each artifact with every runtime that reads its format.

    `options` are what all rows share besides threads, batch and precision; `placement` and `load`
    are the same for all. A file that fixes its
    batch is measured with it where one sample was asked for. What is named twice, or is the same
    file in two folders, is planned once.

    Raises InputError for an unknown runtime or device, for nonsensical numbers, and when no
    runtime named reads an artifact at all.
    """
    _check_positive("--threads", threads)
    _check_positive("--batch", batches)
    wanted = list(_expand(runtimes))
    rows = [
        replace(options or RuntimeOptions(), threads=count, batch=batch, precision=precision)
        for count in threads
        for batch in batches
    ]
    placement, load = placement or Placement(), load or Load()
    for row in rows:
        check_scenario(load, row.batch)
    configurations: list[Configuration] = []
    for artifact in artifacts:
        readers = [(name, device) for name, device in wanted if _reads(name, artifact.format)]
        if not readers:
            able = [name for name in RUNTIMES.names() if _reads(name, artifact.format)]
            raise InputError(
                f"none of {', '.join(runtimes)} reads {artifact.name}",
                hint=f"{artifact.format} files run on: {', '.join(able)}",
            )
        sized = dict.fromkeys(
            replace(row, batch=samples_of(artifact.path, row.batch)) for row in rows
        )
        configurations += [
            Configuration(artifact, name, device, row, placement, load)
            for name, device in readers
            for row in sized
        ]
    by_key: dict[tuple[str, ...], Configuration] = {}
    for configuration in configurations:
        by_key.setdefault(configuration.measurement().key, configuration)
    return list(by_key.values())


def record_of(artifact: Artifact) -> ArtifactRecord:
    """What the results say about an artifact."""
    manifest = artifact.manifest
    return ArtifactRecord(
        name=artifact.name,
        format=artifact.format,
        recipe=manifest.recipe,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        model=manifest.model,
        task=manifest.task,
        parent_sha256=manifest.parent_sha256 or "",
    )


def _expand(runtimes: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in runtimes:
        if text == "all":
            for name in RUNTIMES.names():
                yield from ((name, device) for device in _runtime(name).devices)
        else:
            name, device = parse_configuration(text)
            yield (environments.resolve(name) if versions.is_versioned(name) else name), device


def _reads(name: str, format_name: str) -> bool:
    return _runtime(name).reads(format_name)


def _runtime(name: str) -> type[Runtime]:
    runtime: type[Runtime] = RUNTIMES.load(without_version(name))
    return runtime


def _check_positive(flag: str, values: Sequence[int]) -> None:
    if not values or min(values) < 1:
        raise InputError(f"{flag} takes whole numbers from 1, received: {list(values)}")
