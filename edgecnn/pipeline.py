"""The resumable pipeline of `edgecnn run`: train → convert → verify → benchmark → report → answer.

Everything lies in one folder: the trained `.keras`, `artifacts/`, `results.json`, the reports, the
answer to which file to ship (`answer.json`), and that file as a bundle that runs (`shipped/`). With
the same settings, a second run keeps what is there already and does the rest.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn import data, reporting
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.conclusion import require_a_measurement
from edgecnn.benchmarking.protocol import PROFILES, Protocol
from edgecnn.benchmarking.resuming import check_previous
from edgecnn.conversion.convert import convert
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.conversion.targets import parse_targets
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.held_out import restore_training_splits
from edgecnn.deprecation import old_names
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.files import write_text_atomically
from edgecnn.formats.check import model_files
from edgecnn.manifest import Artifact, sidecar_path
from edgecnn.optimization.bundles.runner import ABOUT
from edgecnn.optimization.bundles.shipping import ship
from edgecnn.optimization.measured import answer
from edgecnn.optimization.outcome import ANSWER_FILE, OptimizationOutcome, TimedCandidate
from edgecnn.optimization.outcome_text import MAY_BE_FASTEST
from edgecnn.progress import Progress, silent
from edgecnn.registry import check_trained
from edgecnn.results import ArtifactRecord, Measurement, Results
from edgecnn.runtimes import parse_configuration
from edgecnn.training import train
from edgecnn.training.fit import CHECKPOINT

SETTINGS_FILE = "run.json"
ARTIFACTS = "artifacts"
REPORTS = ("report.html", "report.md", "report.csv")
BUNDLE = "shipped"


@dataclass(frozen=True)
class PipelineSettings:
    """What a run does. `data_dir` may move between runs; everything else makes another run."""

    model: str = "lenet5"
    data: str = "digits"
    data_dir: Path | None = None
    seed: int = 0
    epochs: int | None = None
    targets: tuple[str, ...] = ("all",)
    runtimes: tuple[str, ...] = ("all",)
    threads: tuple[int, ...] = (1,)
    protocol: Protocol = PROFILES["default"]

    def to_dict(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        del values["data_dir"]
        return values


@dataclass(frozen=True)
class RunOutcome:
    """What a run leaves: the results, and the files that were written."""

    results: Results
    model: Artifact
    artifacts: tuple[Artifact, ...]
    reports: tuple[Path, ...]
    answer: OptimizationOutcome | None = None
    """Which of the files to ship, None where nothing could be compared with the model."""
    bundle: Path | None = None
    """What runs: the answer's file, or the next that may be as fast where that one cannot be
    bundled here (`no_bundle` says why); None without an answer, and where nothing can.
    """
    no_bundle: str = ""


def run(
    settings: PipelineSettings,
    out: Path | str,
    *,
    force: bool = False,
    command: str = "",
    repeat: Sequence[str] = (),
    load: Callable[..., Dataset] = data.load,
    progress: Progress = silent,
) -> RunOutcome:
    """Do everything that is not done yet in the folder `out`, write the reports, and answer which
    of the files to ship.

    A target that cannot be converted and a runtime that cannot run are rows of the results.
    Ctrl-C (KeyboardInterrupt) leaves what is finished in place, for the next call to resume.

    `load` reads the data, as `data.load` does; `repeat` is `benchmark`'s.

    Raises InputError for settings that make no sense and for a folder that holds a run with
    other settings (unless `force`, which starts over: what runs left there is removed).
    """
    out = Path(out)
    _check(settings)
    _claim(out, settings, force=force)
    dataset = load(settings.data, data_dir=settings.data_dir, seed=settings.seed, progress=progress)
    model = _trained(settings, dataset, out, progress)
    dataset = restore_training_splits(dataset, [model.manifest])
    outcomes = convert(
        model.path,
        settings.targets,
        calibration=dataset,
        out=out / ARTIFACTS,
        seed=settings.seed,
        force=force,
        progress=progress,
    )
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact is not None]
    results = _measured(
        settings,
        [model, *artifacts],
        dataset,
        out,
        command=command,
        repeat=repeat,
        progress=progress,
    )
    results = _with_conversions(results, outcomes, settings.model)
    results.save(out / "results.json")
    progress("report", 0, len(REPORTS))
    written: list[Path] = []
    for name in REPORTS:
        written += reporting.write([results], out / name)
        progress("report", len(written), len(REPORTS), name)
    require_a_measurement(results.measurements)
    outcome = answer(results, artifacts)
    run_outcome = RunOutcome(results, model, tuple(artifacts), tuple(written), outcome)
    if outcome is None:
        return run_outcome
    text = json.dumps(outcome.to_dict(), indent=2) + "\n"
    write_text_atomically(out / ANSWER_FILE, text)
    if outcome.choice is None:
        return run_outcome
    progress("bundle", 0, 1, outcome.choice.tried.artifact.name)
    for choice in (outcome.choice, *_as_fast(outcome)):
        try:
            run_outcome = replace(
                run_outcome, bundle=ship(outcome, choice, dataset, out / BUNDLE, force=True)
            )
            break
        except EdgeCNNError as error:  # a runtime of another environment: the answer stands
            run_outcome = replace(run_outcome, no_bundle=run_outcome.no_bundle or error.message)
    progress("bundle", 1, 1)
    return run_outcome


def _as_fast(outcome: OptimizationOutcome) -> list[TimedCandidate]:
    """What may be the fastest as well as the choice, the likeliest first."""
    others = [each for each in outcome.timed if each is not outcome.choice]
    close = [each for each in others if (each.chance_best or 0.0) >= MAY_BE_FASTEST]
    return sorted(close, key=lambda each: -(each.chance_best or 0.0))


def _check(settings: PipelineSettings) -> None:
    """Find out about wrong names before anything takes time."""
    check_trained(settings.model)
    parse_targets(settings.targets)
    for text in settings.runtimes:
        if text != "all":
            parse_configuration(text)


def _claim(out: Path, settings: PipelineSettings, *, force: bool) -> None:
    """Make `out` the folder of these settings, or find that it is another run's."""
    path = out / SETTINGS_FILE
    wanted = settings.to_dict()
    if path.exists() and not force:
        previous = _read_settings(path)
        different = sorted(name for name in wanted if previous.get(name) != wanted[name])
        if different:
            raise InputError(
                f"{out} holds a run with other settings ({', '.join(different)})",
                hint="choose another --out, or pass --force to start over there",
            )
        return
    if out.is_dir() and any(out.iterdir()) and not path.exists() and not force:
        raise InputError(
            f"{out} is not empty and holds no run", hint="choose another --out, or pass --force"
        )
    if force:
        _start_over(out, {settings.model, _previous_model(path)} - {""})
    write_text_atomically(path, json.dumps(wanted, indent=2) + "\n")


def _start_over(out: Path, models: Collection[str]) -> None:
    """Remove what runs with these models left in `out`, and nothing else."""
    for path in _made_of(models, out / ARTIFACTS):
        for file in (*model_files(path), sidecar_path(path)):
            file.unlink(missing_ok=True)
    for model in models:
        trained = out / f"{model}.keras"
        for file in (_training_folder(trained) / CHECKPOINT, trained, sidecar_path(trained)):
            file.unlink(missing_ok=True)
    for name in ("results.json", ANSWER_FILE, *REPORTS):
        (out / name).unlink(missing_ok=True)
    bundle = Path(os.path.realpath(out / BUNDLE))
    if any(bundle.glob(f"*/{ABOUT}")):
        shutil.rmtree(bundle)


def _made_of(models: Collection[str], folder: Path) -> list[Path]:
    """The files in a folder that were converted from these models, as their manifests say."""
    made = []
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if not sidecar_path(path).is_file():
            continue
        try:
            parent = load_artifact(path).manifest.conversion.get("parent")
        except InputError:  # its bytes are somebody else's
            continue
        if isinstance(parent, Mapping) and parent.get("name") in models:
            made.append(path)
    return made


def _previous_model(path: Path) -> str:
    """The model of the run whose settings lie at `path`; empty where nothing says it."""
    try:
        model = _read_settings(path).get("model")
    except InputError:
        return ""
    return model if isinstance(model, str) and Path(model).name == model else ""


def _training_folder(trained: Path) -> Path:
    return trained.with_suffix(".training")


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}", hint="pass --force") from error
    return values if isinstance(values, dict) else {}


def _trained(
    settings: PipelineSettings, dataset: Dataset, out: Path, progress: Progress
) -> Artifact:
    path = out / f"{settings.model}.keras"
    if path.exists():
        artifact = load_artifact(path)
        if artifact.manifest.data.get("sha256") == dataset.sha256:
            progress("train", 1, 1, f"kept {path.name}")
            return artifact
        raise InputError(
            f"{path} was trained on other data than {dataset.name} holds now",
            hint="choose another --out, or pass --force to start over",
        )
    return train(
        settings.model,
        dataset,
        out=path,
        epochs=settings.epochs,
        seed=settings.seed,
        folder=_training_folder(path),
        progress=progress,
    )


def _measured(
    settings: PipelineSettings,
    artifacts: Sequence[Artifact],
    dataset: Dataset,
    out: Path,
    *,
    command: str,
    repeat: Sequence[str],
    progress: Progress,
) -> Results:
    path = out / "results.json"
    previous = Results.load(path) if path.exists() else None
    if previous is not None:
        check_previous(previous, settings.protocol, dataset)
    runtimes = settings.runtimes
    readable = [artifact for artifact in artifacts if _is_read(artifact, runtimes)]
    return benchmark(
        readable,
        runtimes,
        threads=settings.threads,
        protocol=settings.protocol,
        data=dataset,
        out=path,
        previous=previous,
        command=command,
        repeat=repeat,
        progress=progress,
    )


def _is_read(artifact: Artifact, runtimes: Sequence[str]) -> bool:
    """Whether any of the runtimes asked for reads the artifact: a run may leave formats out."""
    from edgecnn.registry import RUNTIMES

    names = {parse_configuration(text)[0] for text in runtimes if text != "all"}
    return "all" in runtimes or any(RUNTIMES.load(name).reads(artifact.format) for name in names)


def _with_conversions(
    results: Results, outcomes: Sequence[ConversionOutcome], model: str
) -> Results:
    """Add what conversion found: parity to rows that have none, a row for each failed target."""
    parity = {outcome.artifact.sha256: outcome.parity for outcome in outcomes if outcome.artifact}
    rows = [
        row if row.parity else replace(row, parity=parity.get(row.artifact.sha256))
        for row in results.measurements
    ]
    rows = [row for row in rows if row.runtime]
    rows += [
        Measurement(
            ArtifactRecord(
                name=outcome.target.file_name(model),
                format=outcome.target.format,
                recipe=outcome.target.recipe,
                sha256="",
                size_bytes=0,
                model=model,
            ),
            runtime="",
            device="",
            status="unsupported" if outcome.status == "unsupported" else "failed",
            error=outcome.error,
            hint=outcome.hint,
        )
        for outcome in outcomes
        if outcome.artifact is None
    ]
    return replace(results, measurements=tuple(rows))


__getattr__ = old_names(__name__, {"Settings": "PipelineSettings"})
