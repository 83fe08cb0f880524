"""Check that an existing results file can be resumed; record how the data were preprocessed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from edgecnn.benchmarking.environments import versions
from edgecnn.benchmarking.machine.description import GPU_PACKAGES
from edgecnn.benchmarking.machine.power import NVIDIA_DEVICES
from edgecnn.benchmarking.protocol import Protocol
from edgecnn.data.base import Dataset
from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.manifest import Artifact, Manifest
from edgecnn.preprocessing import PRESETS, Preprocessing, preprocessing_values
from edgecnn.results import ArtifactRecord, Environment, Results
from edgecnn.results.scored_split import scored_samples

OTHERWISE = "pass --force to overwrite, or choose another --out"
IDENTITY = {"board": "board", "cpu_model": "processor", "architecture": "architecture"}
"""What makes a machine another one. A container's name changes, and its kernel."""
SHARED = ("edgecnn", "numpy")
"""Packages of every worker: their versions are noted, and make no other runtime."""
GPU_DEVICES = (*NVIDIA_DEVICES, "gpu")


def check_previous(
    previous: Results,
    protocol: Protocol,
    data: Dataset | None,
    preprocessing: Preprocessing | str | None = None,
    about: ModelOptions | None = None,
) -> None:
    """Raise InputError when results cannot be continued with this protocol and this data, or hold
    rows that cannot be read and would be lost.
    """
    if previous.left_out:
        first = previous.left_out[0]
        raise InputError(
            f"{len(previous.left_out)} of the rows in the --out file cannot be read, first "
            f"{first.row}: {first.reason}",
            hint=OTHERWISE,
        )
    if previous.protocol != protocol.to_dict():
        raise InputError(
            "the --out file was measured with another protocol",
            hint=OTHERWISE,
        )
    if previous.data.get("sha256") != (data.sha256 if data else None):
        raise InputError(
            "the --out file was measured on other data",
            hint=OTHERWISE,
        )
    option = option_record(preprocessing) if preprocessing is not None else None
    if previous.data.get("preprocessing") != option:
        raise InputError(
            "the --out file was measured with another --preprocessing",
            hint=OTHERWISE,
        )
    if previous.data.get("about_model") != about_record(about).get("about_model"):
        raise InputError(
            "the --out file was measured with another --head or --labels",
            hint=OTHERWISE,
        )


def check_machine(previous: Results, now: Environment) -> None:
    """Raise InputError when runs come from another machine than the one described by `now`, or
    from a runtime that has another version now: one environment is noted for all rows.
    """
    runs = [run for row in previous.measurements for run in row.runs]
    then = previous.environment
    for name, words in IDENTITY.items() if runs else ():
        was, is_ = then.machine.get(name), now.machine.get(name)
        if was and is_ and was != is_:
            raise InputError(
                f"the --out file was measured on another machine: {words} {was}, here {is_}",
                hint=OTHERWISE,
            )
    on_gpu = any(
        row.runs and row.device in GPU_DEVICES and not versions.is_versioned(row.runtime)
        for row in previous.measurements
    )
    for name, was in then.packages.items():
        is_ = now.packages.get(name)
        used = any(run.environment and run.environment.packages.get(name) == was for run in runs)
        used = used or (on_gpu and name in GPU_PACKAGES)
        if used and name not in SHARED and is_ and was != is_:
            raise InputError(
                f"the --out file was measured with {name} {was}, installed is {is_}",
                hint=OTHERWISE,
            )


def check_gpus(previous: Results, names_of: Callable[[str, str], Collection[str]]) -> None:
    """Raise InputError when rows ran on another GPU than the one that their configuration finds
    now. `names_of` gives the names of it for a runtime and a device, none where it is not known.
    """
    ran: dict[tuple[str, str], set[str]] = {}
    for row in previous.measurements:
        if row.device in GPU_DEVICES:
            ran.setdefault((row.runtime, row.device), set()).update(
                run.effective.device_name
                for run in row.runs
                if run.effective and run.effective.device_name and not run.effective.software
            )
    for (runtime, device), were in ran.items():
        names = names_of(runtime, device) if were else ()
        if names and (others := sorted(were - set(names))):
            raise InputError(
                f"the rows of {runtime}:{device} in the --out file were measured on another GPU: "
                f"{', '.join(others)}, here {', '.join(sorted(names))}",
                hint=OTHERWISE,
            )


def check_scoring(previous: Results, record: Mapping[str, Any]) -> None:
    """Raise InputError when rows were fed or scored by other values than those in `record`, which
    `scoring_record` made. Results of versions that did not note them pass.
    """
    measured = [row.artifact for row in previous.measurements if row.runs]
    was, is_ = (each.get("preprocessing_values") for each in (previous.data, record))
    if measured and was is not None and is_ is not None and was != is_:
        raise InputError(
            "the --out file was measured with a different --preprocessing file",
            hint=OTHERWISE,
        )
    then, now = manifests_in(previous.data), manifests_in(record)
    for artifact in measured:
        name = _named(artifact)
        if name in then and name in now and then[name] != now[name]:
            raise InputError(
                f"the manifest of {artifact.name} names another preprocessing, other labels or "
                "another head than when the --out file was measured",
                hint=OTHERWISE,
            )


def check_samples(previous: Results, data: Dataset | None) -> None:
    """Raise InputError when rows were scored on other samples of the same data.

    A set in one piece is tested without the samples that calibrated one of the files.
    """
    if data is None or not any(row.runs for row in previous.measurements):
        return
    was, is_ = _tested(previous.data), _tested(data.record())
    if was is not None and is_ is not None and was != is_:
        raise InputError(
            f"the --out file was scored on a different test split ({was[0]} samples, {was[1]} held "
            f"out for calibration; now {is_[0]} and {is_[1]})",
            hint=OTHERWISE,
        )


def _tested(record: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """(samples of the test split, samples that were set apart), None where they are not noted."""
    if not isinstance(record.get("samples"), Mapping):
        return None
    return scored_samples(record), record.get("set_apart") or 0


def continued(then: Environment, now: Environment) -> Environment:
    """The environment of results to which this machine adds runs: as it is now, with what earlier
    sessions found out about it.
    """
    machine = {**now.machine}
    for name in ("reference_ns", "memory_ns"):
        if name in then.machine:
            machine.setdefault(name, then.machine[name])
    known = [_by_threads(each.machine.get("limits")) for each in (then, now)]
    if any(known):
        machine["limits"] = {"threads": {**known[0], **known[1]}}
    return replace(now, machine=machine)


def _by_threads(limits: Any) -> Mapping[str, Any]:
    threads = limits.get("threads") if isinstance(limits, Mapping) else None
    return threads if isinstance(threads, Mapping) else {}


def option_record(preprocessing: Preprocessing | str) -> Any:
    """An option as JSON gives it back."""
    if isinstance(preprocessing, str):
        return preprocessing
    return json.loads(json.dumps(preprocessing.to_dict()))


def preprocessing_record(preprocessing: Preprocessing | str | None) -> Any:
    """What the user says of the preprocessing, as JSON gives it back: the name of a preset, or
    values, not the path of their file. Raises InputError for a file that holds no JSON object.
    """
    if isinstance(preprocessing, str) and preprocessing not in PRESETS:
        return preprocessing_values(Path(preprocessing))
    return None if preprocessing is None else option_record(preprocessing)


def data_record(
    data: Dataset | None,
    models: Sequence[Artifact],
    preprocessing: Preprocessing | str | None,
    about: ModelOptions | None,
    previous: Results | None,
) -> dict[str, Any]:
    """What results say about the data and how models are fed and scored, with what `previous` noted
    of models that are not measured now. Raises InputError as `check_scoring`.
    """
    record = {**data.record(), "labels": list(data.labels), "split": "test"} if data else {}
    if preprocessing is not None:
        record["preprocessing"] = option_record(preprocessing)
    record |= about_record(about)
    if data is None:
        return record
    noted = scoring_record(models, preprocessing)
    if previous is not None:
        check_scoring(previous, noted)
        noted["manifests"] = {**manifests_in(previous.data), **noted["manifests"]}
    return record | noted


def scoring_record(
    artifacts: Iterable[Artifact], preprocessing: Preprocessing | str | None
) -> dict[str, Any]:
    """What decides about accuracy and lies in none of the model files, as JSON gives it back: the
    values in the file of --preprocessing, and a digest of each model's manifest.
    """
    record: dict[str, Any] = {
        "manifests": {_named(each): _scoring_digest(each.manifest) for each in artifacts}
    }
    if isinstance(preprocessing, str) and preprocessing not in PRESETS:
        with suppress(InputError):  # each row says what is wrong with the file
            record["preprocessing_values"] = preprocessing_values(Path(preprocessing))
    return record


def manifests_in(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Digests of manifests by those of their models, as `scoring_record` noted them."""
    manifests = data.get("manifests")
    return manifests if isinstance(manifests, Mapping) else {}


def _named(artifact: Artifact | ArtifactRecord) -> str:
    """Name and digest of a model: the same bytes may lie there under several manifests."""
    return f"{artifact.name} {artifact.sha256[:12]}"


def _scoring_digest(manifest: Manifest) -> str:
    """Of what a manifest says about samples and answers; what conversion and checks add to it
    later makes no other one.
    """
    preprocessing, head = manifest.preprocessing, manifest.postprocessing
    said = {
        "preprocessing": preprocessing and {"kind": preprocessing.kind, **_stated(preprocessing)},
        "postprocessing": head and _stated(head),
        "labels": manifest.labels,
        "min_score": manifest.metrics.get("min_score"),
    }
    text = json.dumps(said, sort_keys=True, default=_stated)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stated(record: Any) -> dict[str, Any]:
    """The fields that are not what they are by default: a later version may have more."""
    return {
        each.name: value
        for each in fields(record)
        if (value := getattr(record, each.name)) != each.default
    }


def about_record(about: ModelOptions | None) -> dict[str, Any]:
    """What the user said about the models, as JSON gives it back."""
    if about is None or about == ModelOptions():
        return {}
    return {"about_model": {"head": about.head, "labels": list(about.labels)}}
