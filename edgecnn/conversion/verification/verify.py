"""Verify a converted file against its parent: parity on the same inputs, then a gate.

Outputs come from a real runtime that loads the file, sample by sample: a dynamically quantized
model takes its ranges from the batch, and at the edge the batch is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edgecnn.conversion.calibration import DEFAULT_SAMPLES, DrawnSamples, verification_samples
from edgecnn.conversion.detector_manifest import complete_detector_manifest
from edgecnn.conversion.inference.alignment import aligned
from edgecnn.conversion.inference.preprocessing import choose_source_preprocessing
from edgecnn.conversion.inference.run import batch_of_file, predict
from edgecnn.conversion.sources import OpenOptions, open_source
from edgecnn.conversion.sources.base import Sample, SourceModel
from edgecnn.conversion.verification.gate import DEFAULT_MAX_DROP, AccuracyGate, accuracy_gate
from edgecnn.conversion.verification.sensitivity import LayerNoise, layer_noise
from edgecnn.conversion.verification.sequences import FEW_ANSWERS, compare_sequences
from edgecnn.data.splitting.calibration_holdout import exclude_calibration_samples
from edgecnn.data.splitting.training_overlap import training_overlap
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import EdgeCNNError, InputError
from edgecnn.evaluation.parity import parity
from edgecnn.evaluation.tasks import Scorer, open_scorer
from edgecnn.feeding import choose_preprocessing, require_preprocessing
from edgecnn.feeding.detectors import ModelOptions
from edgecnn.feeding.scoring import scoring_context
from edgecnn.formats.kinds import graphs_in, known_suffixes
from edgecnn.manifest import Artifact, Manifest, TensorSpec, digest_of, sha256_of
from edgecnn.preprocessing import Fed, Preprocessing
from edgecnn.registry import RUNTIMES
from edgecnn.results import Accuracy, Parity, RuntimeOptions
from edgecnn.results.chance_level import uninformative_reason
from edgecnn.runtimes import reference_runtime

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset
    from edgecnn.runtimes.base import Session

Array = npt.NDArray[Any]

_OLD_KERAS = (".h5", ".hdf5")
"""Endings of files that models are converted from."""


@dataclass(frozen=True)
class Verification:
    """One artifact compared with its parent; what is unknown is None."""

    artifact: Artifact
    parity: Parity | None = None
    accuracy: Accuracy | None = None
    parent_accuracy: Accuracy | None = None
    gate: AccuracyGate | None = None
    layers: tuple[LayerNoise, ...] = ()
    """What each layer costs, costliest first, where it was asked for or the gate said no."""
    fed: Fed | None = None
    """What both got; None for synthetic samples."""

    @property
    def passed(self) -> bool:
        """False when the gate says no; None stands for no labels and no objection."""
        return self.gate is None or self.gate.passed


def load_session(path: Path, shape: str = "") -> Session:
    """The file in the reference runtime of its format, one thread, on the CPU, floats in float32.

    `shape` gives sizes that it leaves open. Raises what `Runtime.load` raises.
    """
    runtime = RUNTIMES.load(reference_runtime(path))
    options = RuntimeOptions(batch=batch_of_file(path), precision="strict_float32", shape=shape)
    session: Session = runtime.open_model(path, "cpu", options)
    return session


def verify(
    session: Session,
    reference: Sequence[Array],
    samples: Iterable[Sample],
    *,
    parent_sha256: str | None = None,
    reference_names: Sequence[str] = (),
) -> tuple[Parity, list[Array]]:
    """Run a loaded artifact on `samples` and compare with the parent's outputs for the same;
    returns the outputs, too, in the parent's order and layout.

    `reference` holds one (n, …) array for each output, as `SourceModel.predict` gives.
    Raises InputError when shapes differ, GateError when the artifact yields NaN or infinity.
    """
    outputs, specs = _aligned(session, reference, reference_names, predict(session, samples))
    return compare(specs, reference, outputs, parent_sha256=parent_sha256), outputs


def compare(
    specs: Sequence[TensorSpec],
    reference: Sequence[Array],
    outputs: Sequence[Array],
    *,
    parent_sha256: str | None = None,
) -> Parity:
    """Parity with the names and the quantization steps of the file's outputs."""
    return parity(
        reference,
        outputs,
        parent_sha256=parent_sha256,
        names=[spec.name for spec in specs],
        steps=[spec.scale for spec in specs],
    )


def _aligned(
    session: Session, reference: Sequence[Array], names: Sequence[str], outputs: Sequence[Array]
) -> tuple[list[Array], list[TensorSpec]]:
    """A file's outputs in its parent's order and layout, and what each is."""
    reordered, places = aligned(
        reference,
        outputs,
        reference_names=names,
        names=[spec.name for spec in session.outputs],
    )
    return reordered, [session.outputs[place] for place in places]


def verify_artifact(
    path: Path,
    *,
    parent: Path | None = None,
    dataset: Dataset | None = None,
    max_drop: float = DEFAULT_MAX_DROP,
    layers: bool = False,
    allow_unsafe: bool = False,
    preprocessing: Preprocessing | str | None = None,
    shape: str = "",
    about: ModelOptions | None = None,
    weights: str | None = None,
    custom: Iterable[Path] = (),
) -> Verification:
    """Compare a file with its parent and pass it through the accuracy gate.

    `parent` is the model that the file was made from, of any format; without it, the one with
    the right digest is looked for in the artifact's folder and in the one above. `shape` gives
    sizes that the parent leaves open, where the file does not record them. `dataset` gives the
    samples of the whole test split (noise without) and the labels; without labels there is no
    gate. For a converted file that fails, or with `layers`, the noise of each layer is found as
    well.
    `preprocessing`, `about`, `weights` and `custom` are as for `convert`. The gate says no to
    accuracy that was measured on samples that training saw.

    Raises InputError when a file is unusable, when no parent is found, when it is not the
    artifact's parent, when data and model do not fit, and when there are data and nobody knows
    how to feed them.
    """
    artifact = load_artifact(path)
    parent = parent or _find_parent(artifact)
    if answers_with_sequences(artifact):
        return _verify_sequences(
            artifact, parent, dataset, max_drop=max_drop, preprocessing=preprocessing
        )
    shape = shape or _recorded_shape(artifact)
    opening = OpenOptions(
        weights=weights, custom=tuple(custom), shape=shape, allow_unsafe=allow_unsafe
    )
    source = open_source(parent, opening).source
    recorded = artifact.manifest.parent_sha256
    if recorded is not None and recorded != source.sha256:
        raise InputError(
            f"{parent.name} is not the parent of {artifact.name} "
            f"(sha256 {source.sha256[:12]}…, recorded {recorded[:12]}…)",
            hint="pass the file it was made from, or convert again",
        )
    if dataset is not None:
        dataset = exclude_calibration_samples(dataset, [artifact.manifest])
    manifest = complete_detector_manifest(
        artifact.manifest, source, parent, dataset=dataset, preprocessing=preprocessing, about=about
    )
    choice = choose_source_preprocessing(source, manifest, dataset, preprocessing)
    samples = verification_samples(
        dataset,
        require_preprocessing(choice, source.name) if dataset else choice.preprocessing,
        source.input_shape,
        inputs=source.inputs,
        vocabularies=source.vocabularies,
        count=_size_of_test_split(dataset) if dataset else DEFAULT_SAMPLES,
    )
    reference: Sequence[Array] = source.predict(samples)
    session = load_session(artifact.path, _shape_for(artifact, shape))
    outputs: Sequence[Array]
    outputs, specs = _aligned(session, reference, source.output_names, predict(session, samples))
    scorer = _scorer(samples, manifest) if isinstance(samples, DrawnSamples) else None
    accuracy = before = None
    if scorer is not None and scorer.accepts(outputs) and scorer.accepts(reference):
        reference, outputs = scorer.ordered(reference), scorer.ordered(outputs)
        accuracy, before = scorer.accuracy(outputs), scorer.accuracy(reference)
    compared = compare(specs, reference, outputs, parent_sha256=source.sha256)
    answer = accuracy_gate(
        compared,
        before,
        accuracy,
        max_drop=max_drop,
        synthetic=not isinstance(samples, DrawnSamples),
    )
    if accuracy is not None and isinstance(samples, DrawnSamples):
        answer = _unless_seen(answer, artifact.manifest, samples)
    fed = choice.fed if isinstance(samples, DrawnSamples) else None
    wanted = layers or (answer is not None and not answer.passed and not answer.undecided)
    noise = _layers(source, artifact.path, samples, asked=layers) if wanted else ()
    return Verification(artifact, compared, accuracy, before, answer, tuple(noise), fed)


def answers_with_sequences(artifact: Artifact) -> bool:
    """Whether a file holds the graphs of a sequence model."""
    return bool(graphs_in(artifact.format))


def _verify_sequences(
    artifact: Artifact,
    parent: Path,
    dataset: Dataset | None,
    *,
    max_drop: float,
    preprocessing: Preprocessing | str | None,
) -> Verification:
    """As `verify_artifact`: both answer whole samples, each in the runtime of its format."""
    sha256 = sha256_of(parent)
    _check_parent(artifact, parent, sha256)
    session, parent_session = load_session(artifact.path), load_session(parent)
    if dataset is not None:
        dataset = exclude_calibration_samples(dataset, [artifact.manifest])
    shape = tuple(int(size or 0) for size in session.inputs[0].shape[1:])
    fed, prepare = None, artifact.manifest.preprocessing
    if dataset is not None:
        choice = choose_preprocessing(
            partial(dataset.preprocessing, shape), artifact.manifest, option=preprocessing
        )
        fed, prepare = choice.fed, require_preprocessing(choice, artifact.name)
    samples = verification_samples(
        dataset,
        prepare,
        shape,
        vocabulary_size=getattr(prepare, "vocabulary_size", None),
        count=_size_of_test_split(dataset) if dataset else FEW_ANSWERS,
    )
    drawn = isinstance(samples, DrawnSamples)
    compared, accuracy, before = compare_sequences(
        session,
        parent_session,
        samples,
        predict=predict,
        scorer=_scorer(samples, artifact.manifest) if isinstance(samples, DrawnSamples) else None,
        parent_sha256=sha256,
    )
    answer = accuracy_gate(compared, before, accuracy, max_drop=max_drop, synthetic=not drawn)
    if accuracy is not None and isinstance(samples, DrawnSamples):
        answer = _unless_seen(answer, artifact.manifest, samples)
    return Verification(artifact, compared, accuracy, before, answer, (), fed)


def _check_parent(artifact: Artifact, parent: Path, sha256: str) -> None:
    recorded = artifact.manifest.parent_sha256
    if recorded is not None and recorded != sha256:
        raise InputError(
            f"{parent.name} is not the parent of {artifact.name} "
            f"(sha256 {sha256[:12]}…, recorded {recorded[:12]}…)",
            hint="pass the .keras file it was made from, or convert again",
        )


def _unless_seen(
    answer: AccuracyGate | None, manifest: Manifest, samples: DrawnSamples
) -> AccuracyGate | None:
    """The gate's answer, which is no where accuracy was measured on samples that training saw."""
    seen = training_overlap(manifest, samples.dataset, samples.split_name)
    if seen is None or not seen.count:
        return answer
    return AccuracyGate(False, f"INVALID: {seen.sentence}", undecided=True)


def _layers(
    source: SourceModel, path: Path, samples: Iterable[Sample], *, asked: bool
) -> Sequence[LayerNoise]:
    """What each layer costs; nothing where nobody asked and it cannot be found."""
    try:
        return layer_noise(source, path, samples)
    except EdgeCNNError:
        if asked:
            raise
        return ()


def _scorer(samples: DrawnSamples, manifest: Manifest) -> Scorer:
    context = scoring_context(samples.dataset, samples.split_name, samples.preprocessing, manifest)
    drawn = [context.ground_truth[int(index)] for index in samples.indices]
    return open_scorer(samples.dataset.task, replace(context, ground_truth=drawn))


def parent_objection(
    reference: Sequence[Array], samples: Iterable[Sample], manifest: Manifest
) -> str | None:
    """Why the parent's outputs for data prove nothing; None where they do, and for noise."""
    if not isinstance(samples, DrawnSamples):
        return None
    try:
        scorer = _scorer(samples, manifest)
    except InputError:  # the data have no class of the model, say
        return None
    if not scorer.accepts(reference):
        return None
    return uninformative_reason(scorer.accuracy(scorer.ordered(reference)))


def _recorded_shape(artifact: Artifact) -> str:
    """The sizes that were given when a file was made."""
    parent = artifact.manifest.conversion.get("parent")
    shape = parent.get("shape", "") if isinstance(parent, Mapping) else ""
    return shape if isinstance(shape, str) else ""


def _shape_for(artifact: Artifact, shape: str) -> str:
    """`shape` for a file that leaves sizes open; files that edgecnn made have fixed ones."""
    return "" if artifact.manifest.parent_sha256 is not None else shape


def _find_parent(artifact: Artifact) -> Path:
    wanted = artifact.manifest.parent_sha256
    folder = artifact.path.absolute().parent
    if wanted is not None:
        endings = (*known_suffixes(), *_OLD_KERAS)
        for place in (folder, folder.parent):
            for candidate in sorted(place.iterdir()):
                if candidate.suffix.lower() in endings and _digest(candidate) == wanted:
                    return candidate
    raise InputError(
        f"{artifact.name}: the model it was made from is not next to it nor in the folder above",
        hint="name it with --parent MODEL",
    )


def _digest(path: Path) -> str:
    """Of a model with all of its files; empty for what cannot be read."""
    if not path.is_file():
        return ""
    try:
        return digest_of(path)[0]
    except EdgeCNNError:  # a format of one file that no runtime reads, or a broken file
        return sha256_of(path)


def _size_of_test_split(dataset: Dataset) -> int:
    return max(len(split) for split in dataset.splits.values())
