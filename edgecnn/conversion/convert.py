"""One model to any number of targets: convert, quantize, name, verify, keep.

A target that fails is an outcome that says why, and the others continue. Each file is whole or
not there, and a second run reuses what is already made from the same parent with the same
settings, so that an interrupted conversion resumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.conversion.calibration import (
    DEFAULT_SAMPLES,
    DrawnSamples,
    calibration_samples,
    verification_samples,
)
from edgecnn.conversion.converter import ConversionJob, Converter
from edgecnn.conversion.detector_manifest import complete_detector_manifest
from edgecnn.conversion.float_files import FloatFiles
from edgecnn.conversion.outcome import ConversionOutcome
from edgecnn.conversion.parent import (
    check_feedable,
    complete_manifest,
    open_parent,
    refuse_to_overwrite,
    sequence_source,
)
from edgecnn.conversion.sources import OpenOptions
from edgecnn.conversion.sources.base import SourceModel
from edgecnn.conversion.sources.kinds import located
from edgecnn.conversion.targets import Target, parse_targets
from edgecnn.data.splitting.calibration_holdout import hold_out_calibration
from edgecnn.errors import InputError
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.manifest import Artifact, Manifest
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.system import scratch
from edgecnn.system.claims import lock_outputs

if TYPE_CHECKING:
    import keras

    from edgecnn.data.base import Dataset


def convert(
    model: keras.Model | Path | str,
    targets: str | Target | Iterable[str | Target] = "all",
    *,
    calibration: Dataset | None = None,
    out: Path | str,
    name: str | None = None,
    manifest: Manifest | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
    allow_unsafe: bool = False,
    preprocessing: Preprocessing | str | None = None,
    weights: Path | str | None = None,
    custom: Iterable[Path] = (),
    shape: str = "",
    about: ModelOptions | None = None,
) -> list[ConversionOutcome]:
    """Convert a Keras model, or a model in a file or a folder, to every target; files go to `out`.

    Files are called `<name>_<recipe>.<format>`; `name` is the file's or the model's own.
    `calibration` gives real samples: `samples` of its training split calibrate (of a set in one
    piece a part that is set apart), as many of its test split are what parity is computed on
    (noise without). Test samples of the split that the model was trained on never calibrate.
    `manifest` says about a model in memory what a manifest
    next to a `.keras` file says; labels that both leave open are the calibration data's.
    `preprocessing` is what the model wants: a preset's name, a JSON file or a Preprocessing;
    without it the manifest says it, or the model's own layers prove it. It goes into the
    artifacts' manifests. `about` says what the classes are called and which head a detector has,
    where it does not say so itself. `allow_unsafe` runs code that a file brings. `weights`,
    `custom` and `shape` are as in `sources.OpenOptions`; `model` may be the name of a detector that
    ships with edgecnn, and with `weights` that of a network of keras.applications.

    Returns an outcome a target, in the order asked for. Raises InputError before anything is
    converted for what concerns all of them: an unknown target, a model that cannot be read or
    has open sizes or inputs of text, calibration data of another shape or for a model that nobody
    knows how to feed, and files in `out` that something else made (unless `force`).
    """
    wanted = parse_targets(targets)
    sequence = sequence_source(model, manifest, name, allow_unsafe=allow_unsafe)
    if sequence is not None:
        from edgecnn.conversion.sequences import convert_sequence

        return convert_sequence(
            sequence,
            wanted,
            calibration=calibration,
            out=Path(out),
            samples=samples,
            seed=seed,
            force=force,
            progress=progress or silent,
        )
    report = progress or silent
    outcomes = []
    with open_converter(
        model,
        wanted,
        calibration=calibration,
        out=out,
        name=name,
        manifest=manifest,
        samples=samples,
        seed=seed,
        force=force,
        allow_unsafe=allow_unsafe,
        preprocessing=preprocessing,
        weights=weights,
        custom=custom,
        shape=shape,
        about=about,
    ) as converter:
        for index, target in enumerate(wanted):
            report("convert", index, len(wanted), str(target))
            outcomes.append(converter.make(target))
    report("convert", len(wanted), len(wanted))
    return outcomes


@contextmanager
def open_converter(
    model: keras.Model | Path | str,
    wanted: Iterable[Target] = (),
    *,
    calibration: Dataset | None = None,
    out: Path | str,
    name: str | None = None,
    manifest: Manifest | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    force: bool = False,
    allow_unsafe: bool = False,
    preprocessing: Preprocessing | str | None = None,
    weights: Path | str | None = None,
    custom: Iterable[Path] = (),
    shape: str = "",
    about: ModelOptions | None = None,
) -> Iterator[Converter]:
    """A model on its way to targets that need not be known yet; arguments are those of `convert`.

    Float files and ranges are made once, however many targets follow. Files in `out` that
    something else made are an InputError for targets `wanted` before anything is converted, for
    others when they are made.
    """
    wanted = tuple(wanted)
    model = located(model) if isinstance(model, str | Path) else model
    options = OpenOptions(
        weights=str(weights) if weights is not None else None,
        custom=tuple(custom),
        shape=shape,
        allow_unsafe=allow_unsafe,
    )
    source, parent = open_parent(model, manifest, name, options)
    check_feedable(source, calibration)
    if isinstance(model, str | Path):
        parent = complete_detector_manifest(
            parent, source, model, dataset=calibration, preprocessing=preprocessing, about=about
        )
    calibrates = not wanted or any(target.needs_calibration for target in wanted)
    if calibration is not None and calibrates:
        calibration = hold_out_calibration(calibration)
    parent, fed = complete_manifest(parent, source, calibration, preprocessing)
    job = ConversionJob(
        source,
        parent,
        Path(out),
        _calibration(calibration, parent, source, count=samples, seed=seed) if calibrates else None,
        verification_samples(
            calibration,
            _prepared_by(parent, calibration),
            source.input_shape,
            count=samples,
            seed=seed,
            inputs=source.inputs,
            vocabularies=source.vocabularies,
            trained=parent,
        ),
    )
    refuse_to_overwrite(model, map(job.path, wanted))
    with lock_outputs(*map(job.path, wanted)), scratch.folder() as folder:
        files = FloatFiles(source, folder, job.calibration)
        converter = Converter(job, files, source=source, parent=parent, fed=fed, force=force)
        for target in wanted:
            converter.look_for(target)
        yield converter


def convert_one(
    model: keras.Model | Path | str,
    target: str | Target,
    *,
    calibration: Dataset | None = None,
    out: Path | str,
    name: str | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    force: bool = False,
    allow_unsafe: bool = False,
    preprocessing: Preprocessing | str | None = None,
    shape: str = "",
) -> Artifact:
    """Convert to a single target and return the artifact; arguments are those of `convert`.

    Raises InputError when the conversion fails.
    """
    outcome, *more = convert(
        model,
        target,
        calibration=calibration,
        out=out,
        name=name,
        samples=samples,
        seed=seed,
        force=force,
        allow_unsafe=allow_unsafe,
        preprocessing=preprocessing,
        shape=shape,
    )
    if more:
        raise InputError(
            f"{target!s} names {1 + len(more)} targets, expected one",
            hint="use edgecnn.conversion.convert.convert for several",
        )
    if outcome.bug is not None:
        raise outcome.bug
    if outcome.artifact is None:
        raise InputError(outcome.error or "conversion failed", hint=outcome.hint or "")
    return outcome.artifact


def _calibration(
    dataset: Dataset | None,
    parent: Manifest,
    source: SourceModel,
    *,
    count: int,
    seed: int,
) -> DrawnSamples | None:
    preprocessing = _prepared_by(parent, dataset)
    if dataset is None or (preprocessing is None and not dataset.has_named_inputs):
        return None
    return calibration_samples(
        dataset,
        preprocessing,
        source.input_shape,
        count=count,
        seed=seed,
        trained=parent,
        inputs=source.inputs,
        vocabularies=source.vocabularies,
    )


def _prepared_by(parent: Manifest, dataset: Dataset | None) -> Preprocessing | None:
    """What samples go through; None for those that are what the model takes."""
    return None if dataset is not None and dataset.has_named_inputs else parent.preprocessing
