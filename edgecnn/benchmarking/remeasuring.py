"""Measure a stored baseline again, together with what is new: in the same rounds, on this machine.

A stored number carries whatever the machine did that day. Where the baseline's model file is still
here, and its version of the runtime has an environment, both are measured again alternately,
and the difference is free of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.benchmarking.benchmark import JUDGING_PASSES, benchmark
from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.protocol import Protocol, resolve
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.formats.check import digest_of
from edgecnn.formats.kinds import known_suffixes
from edgecnn.progress import Progress, silent
from edgecnn.records import read_record
from edgecnn.results import Measurement, Results


@dataclass(frozen=True)
class RemeasuredPair:
    """Baseline and new row of one session; or why there is none."""

    before: Measurement | None = None
    after: Measurement | None = None
    why: str = ""


def find_files(folders: Iterable[Path], results: Results) -> dict[str, Path]:
    """Model files by digest: in the folders, and where the new results say they lay."""
    files: dict[str, Path] = {}
    candidates = [Path(path) for path in results.repeat.paths.values()]
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"no folder: {folder}", hint="pass the folder of the baseline's files")
        candidates += sorted(folder.rglob("*"))
    endings = known_suffixes()
    for path in candidates:
        if path.suffix.lower() in endings and path.is_file():
            try:
                files.setdefault(digest_of(path)[0], path)
            except EdgeCNNError:
                continue
    return files


def remeasure(
    before: Measurement,
    after: Measurement,
    files: Mapping[str, Path],
    *,
    protocol: Mapping[str, object],
    progress: Progress = silent,
) -> RemeasuredPair:
    """Both rows measured again in the same rounds, where that is possible and means something."""
    old, new = (files.get(row.artifact.sha256) for row in (before, after))
    if old is None or new is None:
        which = "baseline's" if old is None else "new"
        return RemeasuredPair(why=f"the {which} model file is not here")
    names = [_runtime_of(before, after), after.runtime]
    if names[0] is None:
        version = _version_text(before) or "its version"
        return RemeasuredPair(why=f"{version} has no environment here (edgecnn env create)")
    if old == new and names[0] == names[1]:
        return RemeasuredPair(why="file and version are the baseline's own")
    results = benchmark(
        [old] if old == new else [old, new],
        [f"{name}:{after.device}" for name in dict.fromkeys(names)],
        threads=(after.options.threads,),
        batches=(after.options.batch,),
        precision=after.options.precision,
        options=after.options,
        placement=after.placement,
        load=after.load,
        protocol=_protocol(protocol),
        passes=JUDGING_PASSES,
        progress=progress,
    )
    rows = {(row.artifact.sha256, row.runtime): row for row in results.measurements}
    first = rows.get((before.artifact.sha256, str(names[0])))
    second = rows.get((after.artifact.sha256, after.runtime))
    for which, row in (("baseline", first), ("new file", second)):
        if row is None or row.status != "ok":
            reason = f": {row.unusable_reason}" if row is not None else ""
            return RemeasuredPair(why=f"the {which} no longer runs here{reason}")
    return RemeasuredPair(first, second)


def judged(after: Measurement, pair: RemeasuredPair) -> Measurement:
    """The new row with the runs of the baseline's rounds, its accuracy as it was, and INVALID where
    it was: what data showed, noise cannot take back.
    """
    assert pair.after is not None
    row = replace(pair.after, accuracy=after.accuracy, parity=after.parity)
    if after.verdict != "INVALID":
        return row
    return replace(row, verdict="INVALID", reasons=(*after.reasons, *row.reasons))


def _runtime_of(before: Measurement, after: Measurement) -> str | None:
    """The runtime in the baseline's version: as it is now, or an environment's; None: neither."""
    if _version_text(before) == _version_text(after):
        return after.runtime
    if not _version(before):
        return None
    named = [before.runtime] if versions.is_versioned(before.runtime) else []
    for name in (*named, f"{before.runtime.partition('==')[0]}=={_version(before)}"):
        try:
            environment = environments.resolve(name)
        except InputError:
            continue
        if environments.python_of(environment):
            return environment
    return None


def _version_text(row: Measurement) -> str:
    return row.effective.runtime_version if row.effective else ""


def _version(row: Measurement) -> str:
    """The version of a row's runtime: the last word of what the runtime calls itself; empty where
    that is not a release.
    """
    words = _version_text(row).split()
    version = words[-1].partition("-")[0] if words else ""
    return version if versions.order(version) else ""


def _protocol(kept: Mapping[str, object]) -> Protocol:
    """The protocol that the new results were measured with; quick where it cannot be read."""
    try:
        return read_record(Protocol, kept)
    except InputError:
        return resolve("quick")
