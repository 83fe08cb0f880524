"""Convert one model to several targets; shared steps run once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from edgecnn.conversion.calibration import DrawnSamples, SampleStream
from edgecnn.conversion.calibration_check import CalibrationCheck, check
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.conversion.float_files import FloatFiles
from edgecnn.conversion.inference.run import predict
from edgecnn.conversion.outcome import ConversionOutcome, attempted, uncalibrated, without_data
from edgecnn.conversion.placing import model_path
from edgecnn.conversion.plan import planned_manifest, tensor_specs
from edgecnn.conversion.quantizers.float_tail import (
    described,
    needs_float_tail,
    saves,
    with_float_tail,
)
from edgecnn.conversion.quantizers.weight_adjustment import AdjustedWeights
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.reuse import reusable
from edgecnn.conversion.sources.base import Array, Sample, SourceModel
from edgecnn.conversion.targets import Target
from edgecnn.conversion.verification.gate import objections
from edgecnn.conversion.verification.in_steps import step_error_note
from edgecnn.conversion.verification.same_numbers import FEW, check_float_file
from edgecnn.conversion.verification.sensitivity import costliest
from edgecnn.conversion.verification.verify import load_session, parent_objection, verify
from edgecnn.data.splitting.training_overlap import without_sample_digests
from edgecnn.errors import EdgeCNNError, GateError, UnsupportedError
from edgecnn.evaluation.parity_findings import WORST_DB, constant_class, lost_parts, low_snr
from edgecnn.formats.recipes import recipe_in
from edgecnn.manifest import Artifact, Manifest, with_conversion, write_manifest
from edgecnn.preprocessing import Fed
from edgecnn.results import Parity
from edgecnn.system import scratch

_OF_TAILS = ("tflite", "onnx")
"""Formats in which single operators can be kept in float32."""


class Converter:
    """Makes one target after the other of one model; `opened` makes it.

    `source` and `parent` are the model and its completed manifest, `fed` what calibrates.
    """

    def __init__(
        self,
        job: ConversionJob,
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
                None if plan is None else reusable(self._job.path(target), plan, force=self._force)
            )
        return self._kept[target]

    def make(self, target: Target) -> ConversionOutcome:
        """The target's file, or why there is none."""
        existing = self.look_for(target)
        plan = self._job.plan(target)
        if plan is None:
            outcome = without_data(target, self.source.objection(target))
        elif existing is not None:
            outcome = ConversionOutcome(target, "reused", existing)
        elif problem := self._job.calibration_problem(target):
            outcome = uncalibrated(target, problem)
        else:
            outcome = self._job.make(target, plan, self._files)
            self._kept[target] = outcome.artifact
        return replace(outcome, fed=self.fed)

    def write(self, target: Target, path: Path) -> None:
        """The bare file: the graph that `make` gives the recipe, without a manifest. Whether its
        end is in float is decided once for all that differ in single layers only.
        """
        self._job.write(target, path, self._files)

    def float_file(self, file_format: str) -> Path:
        """The float32 file that recipes of a format start from; it goes when the converter does."""
        return self._files.float_file(file_format)

    def reference(self, samples: Iterable[Sample]) -> list[Array]:
        """The model's own outputs (n, …) for inputs (1, …)."""
        return self.source.predict(samples)


class ConversionJob:
    """What all targets of one call share."""

    def __init__(
        self,
        source: SourceModel,
        parent: Manifest,
        out: Path,
        calibration: DrawnSamples | None,
        verification: SampleStream,
    ) -> None:
        self.calibration = calibration
        self._source = source
        self._parent = parent
        self._out = out
        self._verification = verification
        self._reference: list[Array] | None = None
        self._parent_note: str | None = None
        self._check: CalibrationCheck | None = None
        self._float_checks: dict[str, UnsupportedError | None] = {}
        self._has_tail: dict[tuple[str, Recipe], bool] = {}

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
        calibration = self._calibration_check(target)
        return calibration.problem_for(target.spec.arithmetic) if calibration else None

    def _calibration_check(self, target: Target) -> CalibrationCheck | None:
        if not self._calibrates(target) or self.calibration is None:
            return None
        if self._check is None:
            self._check = check(self.calibration)
        return self._check

    def make(self, target: Target, plan: Manifest, files: FloatFiles) -> ConversionOutcome:
        """What became of one target; see `attempted`."""

        def made() -> Artifact:
            objection = self._source.objection(target)
            if objection is not None:
                raise objection
            return self._make(target, plan, files, self.path(target))

        return attempted(target, made)

    def _make(self, target: Target, plan: Manifest, files: FloatFiles, path: Path) -> Artifact:
        with model_path(path) as temporary, _called(path.name, temporary.name):
            self._check_float_file(target, files)
            files.write(target, temporary)
            held = _check_recipe(target, temporary)
            compared, outputs = self._answers(temporary)
            tail, compared = self._with_float_tail(target, files, temporary, compared)
            manifest = tensor_specs(plan, temporary, load_session(temporary), self._source)
            worst = self._costliest(target, files, temporary, compared)
            kept = files.kept_in_float(target)
            if kept:
                manifest = with_conversion(manifest, kept_in_float=list(kept))
            embed_manifest(temporary, without_sample_digests(manifest))
            load_session(temporary)  # the rewritten file is whole
            calibration = self._calibration_check(target)
            notes = [
                *self._source.notes_for(target),
                *([held] if held and not kept else ()),
                *([tail] if tail else ()),
                *(calibration.warnings if calibration else ()),
                *files.notes(target),
                *_not_rounded(files.improved(target)),
                *self._objections(target, compared, outputs),
                *([worst] if worst else ()),
            ]
            manifest = with_conversion(manifest, notes=notes) if notes else manifest
            # Before the model: ncnn's and MNN's files hold no manifest that says whose they are.
            manifest = with_conversion(manifest, parity=compared.to_dict())
            return write_manifest(path, manifest, made=temporary)

    def write(self, target: Target, path: Path, files: FloatFiles) -> None:
        """As `Converter.write`."""
        recipe = target.spec
        if (
            target.format in _OF_TAILS
            and recipe.activations == "int8"
            and not self._source.carries(target)
        ):
            whole = Target.of(target.format, recipe.keeping({}))
            key = (whole.format, whole.spec)
            if key not in self._has_tail:
                with scratch.folder() as folder:
                    plain = folder / whole.file_name("model")
                    files.write(whole, plain)
                    self._with_float_tail(whole, files, plain, self._answers(plain)[0])
            if self._has_tail[key]:
                target, _ = with_float_tail(target, files.float_file(target.format))
        files.write(target, path)

    def _check_float_file(self, target: Target, files: FloatFiles) -> None:
        """Raise UnsupportedError where the float file that a target starts from is wrong: in the
        noise of a quantized one it would not show.
        """
        name = target.format
        if name not in _OF_TAILS or self._source.carries(target):
            return
        if self._source.is_dequantized and not self._source.has_float_reference(name):
            return  # its numbers are not its parent's: `step_error_note` says by how much
        if name not in self._float_checks:
            self._float_checks[name] = None
            try:
                check_float_file(
                    files.float_file(name),
                    self._float_outputs(files),
                    self._verification,
                    names=self._source.output_names,
                    tool=self._source.converter(name)[0],
                )
            except UnsupportedError as error:
                self._float_checks[name] = error
        problem = self._float_checks[name]
        if problem is not None:
            raise problem

    def _float_outputs(self, files: FloatFiles) -> list[Array]:
        """What the model computes in float: of a quantized one, what its float ONNX file does."""
        if not self._source.is_dequantized:
            return self._reference_outputs()
        few: list[Sample] = list(islice(self._verification, FEW))
        return predict(load_session(files.float_file("onnx")), few)

    def _answers(self, path: Path) -> tuple[Parity, list[Array]]:
        """The file next to the model, and its outputs."""
        return verify(
            load_session(path),
            self._reference_outputs(),
            self._verification,
            parent_sha256=self._source.sha256,
            reference_names=self._source.output_names,
        )

    def _with_float_tail(
        self, target: Target, files: FloatFiles, path: Path, before: Parity
    ) -> tuple[str, Parity]:
        """(what is said of it, parity) of the file at `path`, whose last operators are left in
        float32 where that saves what int8 lost.
        """
        key = (target.format, target.spec)
        self._has_tail[key] = False
        if target.format not in _OF_TAILS or not needs_float_tail(target.spec, before):
            return "", before
        kept, names = with_float_tail(target, files.float_file(target.format))
        if not names:
            return "", before
        with scratch.folder() as folder:
            other = folder / path.name
            try:
                files.write(kept, other)
                compared, _ = self._answers(other)
            except EdgeCNNError:  # the quantizer cannot leave them out
                return "", before
            if not saves(compared, before):
                return "", before
            shutil.copyfile(other, path)
        self._has_tail[key] = True
        return described(names, before), compared

    def _costliest(self, target: Target, files: FloatFiles, path: Path, compared: Parity) -> str:
        """Which layers make the file at `path` what it is, where that is not its parent's."""
        recipe = target.spec
        if target.format not in _OF_TAILS or recipe.weights in ("float32", "float16"):
            return ""
        if self._source.carries(target) or not (lost_parts(compared) or low_snr(compared)):
            return ""
        return costliest(files.float_file(target.format), path, self._verification)

    def _reference_outputs(self) -> list[Array]:
        if self._reference is None:
            self._reference = self._source.predict(self._verification)
            self._parent_note = parent_objection(self._reference, self._verification, self._parent)
        return self._reference

    def _objections(
        self, target: Target, compared: Parity, outputs: Sequence[Array]
    ) -> tuple[str, ...]:
        synthetic = not isinstance(self._verification, DrawnSamples)
        concerns = objections(compared, synthetic=synthetic)
        if self._source.is_dequantized and not self._source.carries(target):
            off = step_error_note(self._reference_outputs(), outputs, self._source.output_steps)
            if off and low_snr(compared, WORST_DB) is None:  # as far as the parent rounds
                concerns = tuple(each for each in concerns if each != low_snr(compared))
            concerns = (*([off] if off else ()), *concerns)
        if self._parent_note is None:
            return concerns
        return (self._parent_note, *(each for each in concerns if each != constant_class(compared)))


@contextmanager
def _called(name: str, temporary: str) -> Iterator[None]:
    """Errors about a file call it by the name that it would have had."""
    try:
        yield
    except EdgeCNNError as error:
        if temporary not in error.message:
            raise
        raise type(error)(error.message.replace(temporary, name), hint=error.hint) from error


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
            f"the file holds {held} where float32 was requested",
            hint="build the model with float32 layers and weights, and convert again",
        )
    return f"{target} was requested, but most of what the file stores and computes is {held}"


def _not_rounded(done: AdjustedWeights | None) -> tuple[str, ...]:
    """That some layers are too large for the levers that a recipe asks for."""
    if done is None or not done.left_out:
        return ()
    first = done.left_out[0].partition(";")[0]
    count = len(done.left_out)
    return (f"{count} of its layers, {first} first, are too large for adaptive rounding",)
