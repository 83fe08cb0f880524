"""A trained sequence model to any number of targets: its encoder and its step, in one file each.

What calibrates a step are the states of real decoding: the trained network answers calibration
sentences, and what its step got on the way is what the quantizer sees. Parity is that of the
step's scores on the states of other sentences.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.calibration import (
    DrawnSamples,
    SampleStream,
    calibration_samples,
    verification_samples,
)
from edgecnn.conversion.exporters.keras_graph import write_graph
from edgecnn.conversion.outcome import ConversionOutcome, attempted
from edgecnn.conversion.plan import planned_manifest
from edgecnn.conversion.quantizers import onnx as onnx_quantizer
from edgecnn.conversion.quantizers import tflite as tflite_quantizer
from edgecnn.conversion.quantizers.weight_adjustment import changes_weights
from edgecnn.conversion.recipe import Recipe
from edgecnn.conversion.reuse import reusable
from edgecnn.conversion.targets import Target
from edgecnn.data.splitting.training_overlap import without_sample_digests
from edgecnn.errors import InputError, UnsupportedError
from edgecnn.evaluation.parity import parity
from edgecnn.files import atomic_path
from edgecnn.formats.check import read_signature
from edgecnn.formats.seq2seq.archive import VOCABULARY, SequenceSpec, read_spec, write_archive
from edgecnn.manifest import (
    EMBEDDED_KEY,
    Artifact,
    Manifest,
    TensorSpec,
    sidecar_path,
    with_conversion,
    write_manifest,
)
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.progress import Progress
from edgecnn.registry import RUNTIMES, lookup
from edgecnn.results import Parity, RuntimeOptions
from edgecnn.runtimes.tensors import from_model, to_model
from edgecnn.sequences.graphs import SCORES, SequenceGraphs, parts_of, step_outputs
from edgecnn.sequences.keras_steps import KerasSteps
from edgecnn.sequences.search import Decoding, greedy
from edgecnn.system import scratch
from edgecnn.system.claims import lock_outputs

if TYPE_CHECKING:
    import keras

    from edgecnn.conversion.sources.base import SourceModel
    from edgecnn.data.base import Dataset
    from edgecnn.runtimes.base import Session

Array = npt.NDArray[Any]
Given = Mapping[str, Array]

ENDING = "-seq2seq"
"""Behind the ending of the graphs: model_float32.tflite-seq2seq."""
CALIBRATED = 128
"""Sentences whose states calibrate: some 2,500 steps of a translated caption."""
COMPARED = 32
"""Sentences whose steps are compared with the parent's."""


@dataclass(frozen=True)
class SequenceSource:
    """A trained sequence model with its manifest, ready to be converted."""

    model: keras.Model
    manifest: Manifest
    name: str
    sha256: str

    @property
    def preprocessing(self) -> SubwordPreprocessing:
        """Raises InputError for a manifest that does not say which words the ids stand for."""
        known = self.manifest.preprocessing
        if not isinstance(known, SubwordPreprocessing):
            raise InputError(
                f"{self.name} has no vocabulary: its manifest has no subword preprocessing",
                hint="keep the .manifest.json that training wrote next to the .keras file",
            )
        return known


def convert_sequence(
    source: SequenceSource,
    targets: Sequence[Target],
    *,
    calibration: Dataset | None,
    out: Path,
    samples: int,
    seed: int,
    force: bool,
    progress: Progress,
) -> list[ConversionOutcome]:
    """Convert to every target; see `convert.convert`."""
    job = _SequenceConversion(source, calibration, out, samples=samples, seed=seed)
    plans = [(target, job.plan(target)) for target in targets]
    outcomes = []
    with lock_outputs(*map(job.path, targets)), scratch.folder() as folder:
        kept = {
            target: reusable(job.path(target), plan, force=force)
            for target, plan in plans
            if plan is not None
        }
        for index, (target, plan) in enumerate(plans):
            progress("convert", index, len(plans), str(target))
            existing = kept.get(target)
            if plan is None:
                outcomes.append(
                    ConversionOutcome(
                        target,
                        "failed",
                        error=f"{target} needs calibration data",
                        hint="pass --calibration DATA (from Python: calibration=dataset)",
                    )
                )
            elif existing is not None:
                outcomes.append(ConversionOutcome(target, "reused", existing))
            else:
                outcomes.append(job.make(target, plan, folder))
    progress("convert", len(plans), len(plans))
    return outcomes


@dataclass(frozen=True)
class _Described:
    """What a plan says of the model that the graphs are from."""

    name: str
    sha256: str

    def converter(self, file_format: str) -> tuple[str, tuple[str, ...]]:
        return lookup("format", file_format, _CONVERTERS)

    def record(self) -> dict[str, Any]:
        return {}

    def carries(self, target: Target) -> bool:  # noqa: ARG002 (it is a float model)
        return False


_CONVERTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tflite": ("tensorflow", ("tensorflow", "keras", "litert-quantizer", "ai-edge-litert")),
    "onnx": ("tf2onnx", ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")),
}


class _SequenceConversion:
    """What all targets of one call share."""

    def __init__(
        self,
        source: SequenceSource,
        dataset: Dataset | None,
        out: Path,
        *,
        samples: int,
        seed: int,
    ) -> None:
        self._source, self._out = source, out
        self._words = source.preprocessing
        self._parts: SequenceGraphs = parts_of(source.model)
        self._length = int(self._parts.encoder.inputs[0].shape[1])
        shape = (self._length,)
        if self._words.length != self._length:
            raise InputError(
                f"{source.name} reads {self._length} ids, its manifest prepares "
                f"{self._words.length}",
                hint="the manifest is another model's",
            )
        self._described = _Described(source.name, source.sha256)
        self._calibration: DrawnSamples | None = None
        if dataset is not None:
            self._calibration = calibration_samples(
                dataset, self._words, shape, count=min(samples, CALIBRATED), seed=seed,
                trained=source.manifest,
            )  # fmt: skip
        self._verification: SampleStream = verification_samples(
            dataset, self._words, shape, count=min(samples, COMPARED), seed=seed,
            vocabulary_size=self._words.vocabulary_size, trained=source.manifest,
        )  # fmt: skip
        self._floats: dict[tuple[str, str], Path] = {}
        self._ranges: dict[str, tflite_quantizer.Ranges] = {}
        self._seen: list[Given] | None = None
        self._compared: list[Given] | None = None

    def path(self, target: Target) -> Path:
        return self._out / (target.file_name(self._source.name) + ENDING)

    def plan(self, target: Target) -> Manifest | None:
        """The manifest the file will have, None when the target lacks calibration data."""
        if target.needs_calibration and self._calibration is None:
            return None
        plan = planned_manifest(
            target,
            cast("SourceModel", self._described),
            self._source.manifest,
            self._calibration,
            self._verification,
        )
        decoding = Decoding()
        plan = with_conversion(
            plan, beam=decoding.beam, length_penalty=decoding.length_penalty, batch=1
        )
        shape = (None, self._length)
        return replace(
            plan,
            inputs=(TensorSpec("source", shape, "int32", "NL"),),
            outputs=(TensorSpec("answer", shape, "int32", "NL"),),
        )

    def make(self, target: Target, plan: Manifest, folder: Path) -> ConversionOutcome:
        return attempted(target, lambda: self._make(target, plan, folder, self.path(target)))

    def _make(self, target: Target, plan: Manifest, folder: Path, path: Path) -> Artifact:
        if target.format not in _CONVERTERS:
            raise UnsupportedError(
                f"sequence models are converted to {' and '.join(_CONVERTERS)}, "
                f"asked for: {target.format}",
                hint="--to tflite or --to onnx",
            )
        if changes_weights(target.spec):
            raise UnsupportedError(
                f"{target} changes weights layer by layer, which is made for models of one graph",
                hint=f"take {target.format}:static_int8",
            )
        graphs = {name: self._graph(target, name, folder) for name in ("encoder", "step")}
        parities = self._parity(target, graphs)
        decoding = Decoding()
        spec = SequenceSpec(
            graphs=target.format,
            recipe=target.recipe,
            length=self._length,
            memory=self._parts.memory,
            beam=decoding.beam,
            length_penalty=decoding.length_penalty,
            reads=self._parts.reads,
            writes=self._parts.writes,
        )
        members = {
            spec.encoder: graphs["encoder"].read_bytes(),
            spec.step: graphs["step"].read_bytes(),
        }
        inside = without_sample_digests(with_conversion(plan))
        text = json.dumps(inside.to_dict(), separators=(",", ":"))
        with atomic_path(path) as temporary:
            write_archive(
                temporary,
                spec,
                {**members, VOCABULARY: self._words.content},
                texts={f"{EMBEDDED_KEY}.json": text},
            )
            read_spec(temporary)
            sidecar_path(path).unlink(missing_ok=True)
        return write_manifest(
            path,
            with_conversion(
                plan,
                parity=parities["step"].to_dict(),
                encoder_parity=parities["encoder"].to_dict(),
            ),
        )

    def _graph(self, target: Target, name: str, folder: Path) -> Path:
        """One of the graphs as the target wants it."""
        float_path = self._float(target.format, name, folder)
        path = folder / f"{name}_{target.recipe}.{target.format}"
        recipe = target.spec
        if recipe.weights == "float32":
            shutil.copyfile(float_path, path)
        elif target.format == "tflite":
            tflite_quantizer.check_recipe(float_path, recipe)
            ranges = self._ranges_for(float_path, name, recipe) if recipe.calibrates else None
            tflite_quantizer.quantize_tflite(float_path, recipe, path, ranges)
        else:
            self._quantize_onnx(float_path, name, recipe, path)
        return path

    def _quantize_onnx(self, float_path: Path, name: str, recipe: Recipe, path: Path) -> None:
        samples = list(self._calibrating(float_path, name)) if recipe.calibrates else []
        if not onnx_quantizer.needs_ranges(recipe):
            onnx_quantizer.quantize_onnx(float_path, recipe, path, samples)
            return
        ranges = onnx_quantizer.calibrated(float_path, recipe, samples)
        onnx_quantizer.quantize_onnx(float_path, recipe, path, ranges=ranges)

    def _float(self, file_format: str, name: str, folder: Path) -> Path:
        key = (file_format, name)
        if key not in self._floats:
            graph = getattr(self._parts, name)
            names = list(self._parts.memory)
            if name == "step":
                names = step_outputs(self._parts.states)
            path = folder / f"{name}_float.{file_format}"
            # Of a step's rows there are as many as hypotheses: whoever loads it decides.
            write_graph(file_format, graph, names, path, open_batch=name == "step")
            self._floats[key] = path
        return self._floats[key]

    def _ranges_for(self, float_path: Path, name: str, recipe: Recipe) -> tflite_quantizer.Ranges:
        if name not in self._ranges:
            self._ranges[name] = tflite_quantizer.activation_ranges(
                float_path, self._calibrating(float_path, name)
            )
        return tflite_quantizer.calibrated(
            float_path, recipe, self._calibrating(float_path, name), self._ranges[name]
        )

    def _calibrating(self, float_path: Path, name: str) -> Iterator[list[Array]]:
        """What the graph gets while calibration sentences are answered, as the file orders it."""
        assert self._calibration is not None
        if name == "encoder":
            return ([sample] for sample in self._calibration)
        if self._seen is None:
            self._seen = self._states(self._calibration)
        order = [value.name for value in read_signature(float_path).inputs]
        return ([each[key] for key in order] for each in self._seen)

    def _states(self, samples: SampleStream) -> list[Given]:
        """Inputs and scores of every step of greedy answers, one row each."""
        seen: list[Given] = []
        steps = KerasSteps(self._parts, seen.append)
        for sample in samples:
            greedy(steps.start(np.asarray(sample)), 1, self._length - 1)
        return seen

    def _parity(self, target: Target, graphs: Mapping[str, Path]) -> dict[str, Parity]:
        """Of both graphs in the reference runtime of their format."""
        runtime = RUNTIMES.load({"tflite": "litert", "onnx": "onnxruntime"}[target.format])
        encoder, step = (
            runtime.load(graphs[name], "cpu", RuntimeOptions()) for name in ("encoder", "step")
        )
        if self._compared is None:
            self._compared = self._states(self._verification)
        sources = [{"source": np.asarray(sample)} for sample in self._verification]
        wanted = KerasSteps(self._parts).encoded(np.concatenate([*self._verification]))
        answered = [_run(encoder, each) for each in sources]
        outputs = [np.concatenate([each[name] for each in answered]) for name in self._parts.memory]
        scores = [_run(step, each)[SCORES] for each in self._compared]
        return {
            "encoder": parity(
                wanted, outputs, parent_sha256=self._source.sha256, names=self._parts.memory
            ),
            "step": parity(
                [np.concatenate([each[SCORES] for each in self._compared])],
                [np.concatenate(scores)],
                parent_sha256=self._source.sha256,
                names=[SCORES],
            ),
        }


def _run(session: Session, given: Given) -> dict[str, Array]:
    """Outputs by name for inputs by name, each (1, …)."""
    tensors = [to_model(np.asarray(given[spec.name]), spec) for spec in session.inputs]
    outputs = session.bind(tensors)()
    return {
        spec.name: from_model(np.array(array), spec)
        for spec, array in zip(session.outputs, outputs, strict=True)
    }
