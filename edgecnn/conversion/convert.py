"""One model to any number of targets: convert, quantize, name, verify, keep.

A target that fails is an outcome that says why, and the others go on. Each file is whole or
not there, and a second run reuses what is already made from the same parent with the same
settings, so that an interrupted conversion resumes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgecnn import scratch
from edgecnn.claims import exclusive
from edgecnn.conversion.boundary import first_line
from edgecnn.conversion.calibration import (
    DEFAULT_SAMPLES,
    DrawnSamples,
    Samples,
    calibration_samples,
    verification_samples,
)
from edgecnn.conversion.calibration_look import CalibrationLook, look
from edgecnn.conversion.detectors import as_detector
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.conversion.existing import find_existing
from edgecnn.conversion.feeding import chosen_for
from edgecnn.conversion.float_files import FloatFiles
from edgecnn.conversion.float_tail import described, saves, wants_float_tail, with_float_tail
from edgecnn.conversion.gate import objections
from edgecnn.conversion.placing import model_path
from edgecnn.conversion.plan import planned_manifest, tensor_specs
from edgecnn.conversion.quantizers.levers import Improved
from edgecnn.conversion.source import Array, Sample, SourceModel
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.conversion.sources.kinds import located
from edgecnn.conversion.targets import Target, parse_targets
from edgecnn.conversion.verify import load_session, parent_objection, verify
from edgecnn.data.base import UNLABELED
from edgecnn.data.seen import without_digests
from edgecnn.data.set_apart import set_apart
from edgecnn.errors import EdgeCNNError, GateError, InputError, UnsupportedError
from edgecnn.evaluation.parity_words import one_class
from edgecnn.feeding import must_know
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.formats.recipes import recipe_in
from edgecnn.keras_files import load_keras, network_name
from edgecnn.manifest import (
    Artifact,
    Manifest,
    sidecar_path,
    with_conversion,
    write_manifest,
)
from edgecnn.preprocessing import Fed, Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.registry import SEQUENCE_MODELS
from edgecnn.results import Parity
from edgecnn.sequences.parts import is_sequence_model

if TYPE_CHECKING:
    import keras

    from edgecnn.conversion.sequences import SequenceSource
    from edgecnn.data.base import Dataset

_OF_TAILS = ("tflite", "onnx")
"""Formats in which single operators can be kept in float32."""
Status = Literal["converted", "reused", "failed", "unsupported"]


@dataclass(frozen=True)
class ConversionOutcome:
    """What became of one target: an artifact, or the reason why there is none.

    "unsupported" is what the format cannot express, "failed" everything else that went wrong.
    """

    target: Target
    status: Status
    artifact: Artifact | None = None
    seconds: float = 0.0
    error: str | None = None
    hint: str | None = None
    fed: Fed | None = None
    """What calibrated and was compared, and from where its preprocessing is known; None for
    synthetic samples."""
    bug: Exception | None = None
    """What nobody expected; the other targets were made all the same."""

    @property
    def parity(self) -> Parity | None:
        """How far the artifact's outputs are from its parent's."""
        if self.artifact is None:
            return None
        recorded = self.artifact.manifest.conversion.get("parity")
        return Parity.from_dict(recorded) if recorded else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks against the file, its calibration or its parent, a sentence each."""
        recorded = self.artifact.manifest.conversion if self.artifact else {}
        return tuple(recorded.get("notes", ()))

    @property
    def kept_in_float(self) -> tuple[str, ...]:
        """Operators of a quantized file whose weights are float32: the format has no other."""
        recorded = self.artifact.manifest.conversion if self.artifact else {}
        return tuple(recorded.get("kept_in_float", ()))


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
    `manifest` tells about a model in memory what a manifest
    beside a `.keras` file tells; labels that both leave open are the calibration data's.
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
    sequence = _sequence(model, manifest, name, allow_unsafe=allow_unsafe)
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
    with opened(
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
def opened(
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
    source, parent = _open(model, manifest, name, options)
    _check_feedable(source, calibration)
    if isinstance(model, str | Path):
        parent = as_detector(
            parent, source, model, dataset=calibration, preprocessing=preprocessing, about=about
        )
    calibrates = not wanted or any(target.needs_calibration for target in wanted)
    if calibration is not None and calibrates:
        calibration = set_apart(calibration)
    parent, fed = _completed(parent, source, calibration, preprocessing)
    job = _Job(
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
    _refuse_itself(model, map(job.path, wanted))
    with exclusive(*map(job.path, wanted)), scratch.folder() as folder:
        files = FloatFiles(source, folder, job.calibration)
        converter = Converter(job, files, source=source, parent=parent, fed=fed, force=force)
        for target in wanted:
            converter.look_for(target)
        yield converter


class Converter:
    """Makes one target after the other of one model; `opened` makes it.

    `source` and `parent` are the model and its completed manifest, `fed` what calibrates.
    """

    def __init__(
        self,
        job: _Job,
        files: FloatFiles,
        *,
        source: SourceModel,
        parent: Manifest,
        fed: Fed | None,
        force: bool,
    ) -> None:
        self.source, self.parent, self.fed = source, parent, fed
        self._job, self._files, self._force = job, files, force
        self._kept: dict[Target, Artifact | None] = {}

    def look_for(self, target: Target) -> Artifact | None:
        """The target's file where an earlier conversion made it. Raises InputError where
        something else has its name.
        """
        if target not in self._kept:
            plan = self._job.plan(target)
            self._kept[target] = (
                None
                if plan is None
                else find_existing(self._job.path(target), plan, force=self._force)
            )
        return self._kept[target]

    def make(self, target: Target) -> ConversionOutcome:
        """The target's file, or why there is none."""
        existing = self.look_for(target)
        plan = self._job.plan(target)
        if plan is None:
            outcome = _without_data(target)
        elif existing is not None:
            outcome = ConversionOutcome(target, "reused", existing)
        elif problem := self._job.calibration_problem(target):
            outcome = _uncalibrated(target, problem)
        else:
            outcome = self._job.make(target, plan, self._files)
            self._kept[target] = outcome.artifact
        return replace(outcome, fed=self.fed)

    def write(self, target: Target, path: Path) -> None:
        """The bare file: without a manifest, and not compared with anything."""
        self._files.write(target, path)

    def float_file(self, file_format: str) -> Path:
        """The float32 file that recipes of a format start from; it goes when the converter does."""
        return self._files.float_file(file_format)

    def reference(self, samples: Iterable[Sample]) -> list[Array]:
        """The model's own outputs (n, …) for inputs (1, …)."""
        return self.source.predict(samples)


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


class _Job:
    """What all targets of one call share."""

    def __init__(
        self,
        source: SourceModel,
        parent: Manifest,
        out: Path,
        calibration: DrawnSamples | None,
        verification: Samples,
    ) -> None:
        self.calibration = calibration
        self._source = source
        self._parent = parent
        self._out = out
        self._verification = verification
        self._reference: list[Array] | None = None
        self._parent_note: str | None = None
        self._look: CalibrationLook | None = None

    def path(self, target: Target) -> Path:
        return self._out / target.file_name(self._source.name)

    def plan(self, target: Target) -> Manifest | None:
        """The manifest the artifact will have, None when the target lacks calibration data."""
        if self._calibrates(target) and self.calibration is None:
            return None
        return planned_manifest(
            target, self._source, self._parent, self.calibration, self._verification
        )

    def _calibrates(self, target: Target) -> bool:
        return target.needs_calibration and not self._source.carries(target)

    def calibration_problem(self, target: Target) -> str | None:
        """Why the calibration samples can give no such target, None where they can."""
        found = self._calibration_look(target)
        return found.problem_for(target.spec.arithmetic) if found else None

    def _calibration_look(self, target: Target) -> CalibrationLook | None:
        if not self._calibrates(target) or self.calibration is None:
            return None
        if self._look is None:
            self._look = look(self.calibration)
        return self._look

    def make(self, target: Target, plan: Manifest, files: FloatFiles) -> ConversionOutcome:
        """The outcome of one target: whatever goes wrong with it stays with it, a shortage of
        memory or of disk space apart.
        """
        started = time.perf_counter()
        path = self.path(target)
        try:
            objection = self._source.objection(target)
            if objection is not None:
                raise objection
            artifact = self._make(target, plan, files, path)
        except EdgeCNNError as error:
            return ConversionOutcome(
                target,
                "unsupported" if isinstance(error, UnsupportedError) else "failed",
                seconds=time.perf_counter() - started,
                error=error.message,
                hint=error.hint or None,
            )
        except Exception as error:
            # So wide because one target must not take the others with it; the command still ends
            # with the exit code of a bug.
            if isinstance(error, MemoryError | OSError):
                raise
            return ConversionOutcome(
                target,
                "failed",
                seconds=time.perf_counter() - started,
                error=f"unexpected {first_line(error)}",
                hint="this is a bug in edgecnn; --debug shows where",
                bug=error,
            )
        return ConversionOutcome(
            target, "converted", artifact, seconds=time.perf_counter() - started
        )

    def _make(self, target: Target, plan: Manifest, files: FloatFiles, path: Path) -> Artifact:
        with model_path(path) as temporary:
            files.write(target, temporary)
            held = _check_recipe(target, temporary)
            compared = self._compared(temporary)
            tail = ""
            if target.format in _OF_TAILS and wants_float_tail(target.spec, compared):
                tail, compared = self._with_float_tail(target, files, temporary, compared)
            manifest = tensor_specs(plan, temporary, load_session(temporary), self._source)
            kept = files.kept_in_float(target)
            if kept:
                manifest = with_conversion(manifest, kept_in_float=list(kept))
            embed_manifest(temporary, without_digests(manifest))
            load_session(temporary)  # the rewritten file is whole
            sidecar_path(path).unlink(missing_ok=True)
        found = self._calibration_look(target)
        notes = [
            *self._source.notes_for(target),
            *([held] if held and not kept else ()),
            *([tail] if tail else ()),
            *(found.warnings if found else ()),
            *files.notes(target),
            *_not_rounded(files.improved(target)),
            *self._objections(compared),
        ]
        manifest = with_conversion(manifest, notes=notes) if notes else manifest
        return write_manifest(path, with_conversion(manifest, parity=compared.to_dict()))

    def _compared(self, path: Path) -> Parity:
        """The file beside the model."""
        compared, _ = verify(
            load_session(path),
            self._reference_outputs(),
            self._verification,
            parent_sha256=self._source.sha256,
            reference_names=self._source.output_names,
        )
        return compared

    def _with_float_tail(
        self, target: Target, files: FloatFiles, path: Path, before: Parity
    ) -> tuple[str, Parity]:
        """(what is said of it, parity) of the file at `path`, whose last operators are left in
        float32 where that saves what int8 lost.
        """
        kept, names = with_float_tail(target, files.float_file(target.format))
        if not names:
            return "", before
        with scratch.folder() as folder:
            other = folder / path.name
            try:
                files.write(kept, other)
                compared = self._compared(other)
            except EdgeCNNError:  # the quantizer cannot leave them out
                return "", before
            if not saves(compared, before):
                return "", before
            shutil.copyfile(other, path)
        return described(names, before), compared

    def _reference_outputs(self) -> list[Array]:
        if self._reference is None:
            self._reference = self._source.predict(self._verification)
            self._parent_note = parent_objection(self._reference, self._verification, self._parent)
        return self._reference

    def _objections(self, compared: Parity) -> tuple[str, ...]:
        synthetic = not isinstance(self._verification, DrawnSamples)
        found = objections(compared, synthetic=synthetic)
        if self._parent_note is None:
            return found
        return (self._parent_note, *(each for each in found if each != one_class(compared)))


def _sequence(
    model: keras.Model | Path | str,
    manifest: Manifest | None,
    name: str | None,
    *,
    allow_unsafe: bool,
) -> SequenceSource | None:
    """A model that answers with a sequence, which is converted as two graphs; else None."""
    from edgecnn.conversion.sequences import SequenceSource
    from edgecnn.embedded_manifest import load_artifact

    if isinstance(model, str | Path):
        path = Path(model)
        if (
            path.suffix.lower() != ".keras"
            or not path.is_file()
            or network_name(path) not in SEQUENCE_MODELS.names()
        ):
            return None
        loaded = load_keras(path, allow_unsafe=allow_unsafe)
        artifact = load_artifact(path)
        known, sha256, own = manifest or artifact.manifest, artifact.sha256, path.stem
    else:
        loaded, own = model, str(model.name)
        known, sha256 = manifest or Manifest(model=own), ""
    if not is_sequence_model(loaded):
        return None
    from edgecnn.conversion.sources.keras_model import digest

    return SequenceSource(loaded, known, name or own, sha256 or digest(loaded))


def _open(
    model: keras.Model | Path | str,
    manifest: Manifest | None,
    name: str | None,
    options: OpenOptions,
) -> tuple[SourceModel, Manifest]:
    source: SourceModel
    if isinstance(model, str | Path):
        opened = open_source(model, options)
        source, known = opened.source, manifest or opened.manifest
    else:
        from edgecnn.conversion.sources.keras_model import describe, digest

        source = describe(
            model, name=name or str(model.name), sha256=digest(model), shape=options.shape
        )
        known = manifest or Manifest(model=str(model.name))
    return replace(source, name=name or source.name), known


def _refuse_itself(model: object, made: Iterable[Path]) -> None:
    """Raise InputError where a target would take the place of the model that it is made from."""
    if not isinstance(model, str | Path) or not Path(model).exists():
        return
    for path in made:
        if path.exists() and path.samefile(model):
            raise InputError(
                f"{path} is the model itself: its own target would overwrite it",
                hint="choose another --out",
            )


def _check_feedable(source: SourceModel, dataset: Dataset | None) -> None:
    """Raise InputError for data of one tensor a sample where a model takes several."""
    if dataset is None or dataset.names_inputs or len(source.inputs) == 1:
        return
    shown = ", ".join(f"{spec.name} {spec.shape[1:]}" for spec in source.inputs)
    raise InputError(
        f"{source.name} has {len(source.inputs)} inputs ({shown}), a sample of these data is one "
        "tensor",
        hint="give npz:FILE with an array for each input, under its name; float32, float16 and "
        "dynamic_int8 need no data",
    )


def _completed(
    parent: Manifest,
    source: SourceModel,
    dataset: Dataset | None,
    preprocessing: Preprocessing | str | None,
) -> tuple[Manifest, Fed | None]:
    """The parent's manifest with labels from the data and the preprocessing that the model wants,
    and the record of the latter where samples of the data are fed.

    Raises InputError where there are data and nobody knows how to feed them.
    """
    choice = chosen_for(source, parent, dataset, preprocessing)
    if choice.preprocessing is not None and choice.preprocessing != parent.preprocessing:
        parent = replace(parent, preprocessing=choice.preprocessing, feeding=choice.fed)
    if dataset is None:
        return parent, None
    must_know(choice, source.name)
    task = parent.task if parent.task != "unknown" else dataset.task
    completed = replace(
        parent,
        task="unknown" if task == UNLABELED else task,
        labels=parent.labels or (() if dataset.own_numbers else dataset.labels),
    )
    return completed, choice.fed


def _calibration(
    dataset: Dataset | None,
    parent: Manifest,
    source: SourceModel,
    *,
    count: int,
    seed: int,
) -> DrawnSamples | None:
    preprocessing = _prepared_by(parent, dataset)
    if dataset is None or (preprocessing is None and not dataset.names_inputs):
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
    return None if dataset is not None and dataset.names_inputs else parent.preprocessing


def _check_recipe(target: Target, path: Path) -> str | None:
    """A sentence where the file holds something else than it was asked to.

    Raises GateError for a file of lower precision under the name of float32.
    """
    held = recipe_in(path)
    recipe = target.spec
    if held in ("", recipe.arithmetic) or recipe.per_layer:
        return None
    if target.recipe == "float32":
        raise GateError(
            f"the file holds {held} where float32 was asked",
            hint="build the model with float32 layers and weights, and convert again",
        )
    return f"{target} was asked, most of what the file stores and computes is {held}"


def _not_rounded(done: Improved | None) -> tuple[str, ...]:
    """That some layers are too large for the levers that a recipe asks for."""
    if done is None or not done.left_out:
        return ()
    first = done.left_out[0].partition(";")[0]
    count = len(done.left_out)
    return (f"{count} of its layers, {first} first, are too large for adaptive rounding",)


def _uncalibrated(target: Target, problem: str) -> ConversionOutcome:
    return ConversionOutcome(
        target,
        "failed",
        error=f"{target} cannot be calibrated: {problem}",
        hint="give samples like those that the model will see (--calibration)",
    )


def _without_data(target: Target) -> ConversionOutcome:
    return ConversionOutcome(
        target,
        "failed",
        error=f"{target} needs calibration data",
        hint="give --calibration DATA (from Python: calibration=dataset)",
    )
