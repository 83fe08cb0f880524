"""Prepare the inputs of a benchmark's rows: the test split, prepared once for each way that a model
wants it, as files that the workers read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from edgecnn.benchmarking.accuracy import scorer_for
from edgecnn.benchmarking.inputs.samples import write_samples, write_tensors
from edgecnn.benchmarking.loop.encoded_samples import EncodedSamples, write_raw
from edgecnn.data.base import Dataset
from edgecnn.data.splitting.training_overlap import TrainingOverlap, training_overlap
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.evaluation.tasks import Scorer
from edgecnn.feeding import ChosenPreprocessing, choose_preprocessing, infer_from_file
from edgecnn.feeding.detectors import (
    IdentifiedDetector,
    ModelOptions,
    class_names_in,
    has_head,
    identify_detector,
)
from edgecnn.feeding.inputs import AS_THEY_ARE, check_no_preprocessing
from edgecnn.formats.id_tables import id_limits
from edgecnn.manifest import Artifact, Manifest, TensorSpec
from edgecnn.preprocessing import Fed, ImagePreprocessing, Preprocessing, tensor_range
from edgecnn.progress import Progress, silent
from edgecnn.runtimes.declared import has_batch_axis
from edgecnn.synthetic_inputs import channels_last
from edgecnn.tensor_spec import one_tensor_error


@dataclass(frozen=True)
class RuntimeSignature:
    """The inputs and the outputs of a model, as a runtime has them for so many samples at once."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch: int = 1

    @property
    def input(self) -> TensorSpec:
        """The only one."""
        (spec,) = self.inputs
        return spec


Asked = Callable[[], RuntimeSignature | None]
"""Asks a runtime; None when nobody can say."""
_NOBODY = (
    "input shapes are unknown: the file does not declare them and no installed runtime could load "
    "the model"
)
_NOBODY_SAYS = Fed("unknown", _NOBODY, unscored=_NOBODY)


@dataclass(frozen=True)
class PreparedSplit:
    """The test split as a file of tensors (a folder of them, where samples name the inputs), some
    of its samples before preprocessing (None where there is none), what scores the answers (None
    where nothing can), and how many of the samples training saw (None where that is not known).
    """

    path: Path
    raw: EncodedSamples | None
    preprocessing: Preprocessing | None
    scorer: Scorer | None
    seen: TrainingOverlap | None = None


class PreparedInputs:
    """The test split of `data`, written into `folder` as each artifact wants it.

    Artifacts that want the same share a file. `option` is what the user said that they want,
    `about` what else the user said about the models.
    """

    def __init__(
        self,
        data: Dataset | None,
        folder: Path,
        option: str | Preprocessing | None = None,
        progress: Progress = silent,
        *,
        about: ModelOptions | None = None,
    ) -> None:
        self._data = data
        self._folder = folder
        self._option = option
        self._about = about or ModelOptions()
        self._progress = progress
        self._prepared: dict[str, PreparedSplit | EdgeCNNError | None] = {}
        self._fed: dict[str, Fed] = {}
        self._files: dict[Preprocessing, tuple[Path, EncodedSamples]] = {}
        self._tensors: dict[RuntimeSignature, Path] = {}

    def prepare(self, artifact: Artifact, asked: Asked) -> None:
        """Write what `artifact` is fed, unless it is there."""
        if self._data is not None and artifact.sha256 not in self._prepared:
            try:
                self._prepared[artifact.sha256] = self._prepare(self._data, artifact, asked)
            except EdgeCNNError as error:
                self._prepared[artifact.sha256] = error

    def of(self, artifact: Artifact) -> PreparedSplit | EdgeCNNError | None:
        """What `prepare` made: None without data, or where nobody knows how the model wants them
        (synthetic samples are measured then); an error where data and model do not fit.
        """
        return self._prepared.get(artifact.sha256)

    def fed(self, artifact: Artifact) -> Fed | None:
        """What the artifact is fed and why, or why it is not fed the data."""
        return self._fed.get(artifact.sha256)

    def scorer(self, artifact: Artifact) -> Scorer | None:
        """What scores the outputs of `artifact`, None where it is not fed the data."""
        prepared = self.of(artifact)
        return prepared.scorer if isinstance(prepared, PreparedSplit) else None

    def seen(self, artifact: Artifact) -> TrainingOverlap | None:
        """How many of the samples the artifact was trained on."""
        prepared = self.of(artifact)
        return prepared.seen if isinstance(prepared, PreparedSplit) else None

    def _prepare(self, data: Dataset, artifact: Artifact, asked: Asked) -> PreparedSplit | None:
        asked = cache(asked)  # a worker process answers
        if data.has_named_inputs:
            return self._prepare_tensors(data, artifact, asked)
        manifest, unscored = artifact.manifest, ""
        choice: ChosenPreprocessing | None = None
        if data.task == "detection" and self._is_foreign(manifest):
            try:
                recognized = self._recognized(artifact, asked)
            except InputError as error:
                unscored = error.with_hint
            else:
                if recognized is None:
                    self._say_why_not(artifact, asked())
                    return None
                choice, unscored = recognized.choice, recognized.nameless
                manifest = replace(manifest, postprocessing=recognized.postprocessing)
        choice = choice or self._choose(data, artifact, asked)
        if choice is None:
            self._say_why_not(artifact, asked())
            return None
        self._fed[artifact.sha256] = replace(choice.fed, unscored=unscored)
        preprocessing = choice.preprocessing
        if preprocessing is None:
            return None
        if preprocessing not in self._files:
            path = self._folder / f"samples-{len(self._files)}.npy"
            write_samples(data["test"], preprocessing, path, self._progress)
            raw = write_raw(data["test"], preprocessing, path.with_suffix(""))
            self._files[preprocessing] = (path, raw)
        scorer = None if unscored else self._scorer_for(data, artifact, manifest, preprocessing)
        seen = training_overlap(artifact.manifest, data)
        return PreparedSplit(*self._files[preprocessing], preprocessing, scorer, seen)

    def _prepare_tensors(
        self, data: Dataset, artifact: Artifact, asked: Asked
    ) -> PreparedSplit | None:
        """Samples that name the model's inputs, each as its input takes it."""
        check_no_preprocessing(self._option)
        signature = asked()
        if signature is None:
            self._say_why_not(artifact, None)
            return None
        self._fed[artifact.sha256] = AS_THEY_ARE
        wanted = replace(signature, outputs=())
        if wanted not in self._tensors:
            folder = self._folder / f"tensors-{len(self._tensors)}"
            limits = id_limits(artifact.path)
            write_tensors(
                data["test"],
                signature.inputs,
                folder,
                batch=signature.batch,
                limits=dict(zip((spec.name for spec in signature.inputs), limits, strict=False)),
                progress=self._progress,
            )
            self._tensors[wanted] = folder
        scorer = self._scorer_for(data, artifact, artifact.manifest, None)
        seen = training_overlap(artifact.manifest, data)
        return PreparedSplit(self._tensors[wanted], None, None, scorer, seen)

    def _scorer_for(
        self,
        data: Dataset,
        artifact: Artifact,
        manifest: Manifest,
        preprocessing: Preprocessing | None,
    ) -> Scorer | None:
        """What scores the answers; where nothing can, the record of what is fed says why."""
        try:
            return scorer_for(data, preprocessing, manifest, self._names(artifact))
        except InputError as error:  # no box in any image, say: the latency is still true
            fed = replace(self._fed[artifact.sha256], unscored=error.with_hint)
            self._fed[artifact.sha256] = fed
            return None

    def _say_why_not(self, artifact: Artifact, signature: RuntimeSignature | None) -> None:
        """That nobody knows what a model takes, or that data of one tensor a sample are nothing
        for a model of several inputs.
        """
        if signature is None:
            self._fed[artifact.sha256] = _NOBODY_SAYS
            return
        error = one_tensor_error("the model", signature.inputs)
        self._fed[artifact.sha256] = Fed("unknown", error.with_hint)

    def _is_foreign(self, manifest: Manifest) -> bool:
        """Whether a detector's manifest leaves open how it is fed, or what its outputs are."""
        known = manifest.preprocessing is not None and has_head(manifest)
        return not known or self._about != ModelOptions()

    def _recognized(self, artifact: Artifact, asked: Asked) -> IdentifiedDetector | None:
        """The detector that a file is; None when nobody can load it: its row will say why."""
        signature = asked()
        if signature is None or len(signature.inputs) != 1:
            return None
        return identify_detector(
            artifact,
            [signature.input],
            signature.outputs,
            options=self._about,
            preprocessing=self._option,
        )

    def _names(self, artifact: Artifact) -> tuple[str, ...]:
        """What the model calls its classes, besides what its manifest says."""
        if self._about.labels or artifact.manifest.labels:
            return self._about.labels
        return class_names_in(artifact.path)

    def _choose(
        self, data: Dataset, artifact: Artifact, asked: Asked
    ) -> ChosenPreprocessing | None:
        """None for a model whose input is unknown: its row will say why."""
        manifest = artifact.manifest
        known = manifest.preprocessing is not None
        spec = manifest.inputs[0] if len(manifest.inputs) == 1 else None
        if not known or self._option is not None:
            signature = asked()
            if signature is None or len(signature.inputs) != 1:
                return None
            spec = signature.input
        # Keras is loaded here only where it has to be: the worker loads it anyway.
        proof = None if known and artifact.format == "keras" else infer_from_file(artifact.path)

        def base() -> Preprocessing:
            assert spec is not None
            batched = has_batch_axis(artifact.path)
            sizes = channels_last(spec)[1:] if batched else spec.shape
            return data.preprocessing([size for size in sizes if size is not None])

        return choose_preprocessing(
            base,
            manifest,
            option=self._option,
            proof=proof,
            layout=spec.layout if spec else "",
            are_tensors=data.are_tensors,
        )


def synthetic_range(artifact: Artifact) -> tuple[float, float] | None:
    """The values that a model of images is made for, by its manifest or as the file proves it;
    None where neither says it. `.keras` files are not loaded for this.
    """
    preprocessing = artifact.manifest.preprocessing
    if preprocessing is not None or artifact.format == "keras":
        return tensor_range(preprocessing)
    proof = infer_from_file(artifact.path)
    if proof is None or len(proof.mean) > 1:
        return None
    return tensor_range(proof.applied(ImagePreprocessing(1, 1, 3)))
