"""Modules by their old names, for one more release: they are found, and warn.

Every start of edgecnn imports this: `importlib.abc` would take half of the time of
`import edgecnn`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    Loader = MetaPathFinder = object

MOVED = {
    "accuracy_drop": "results.accuracy_drop",
    "benchmarking.ask": "benchmarking.measurement_cache",
    "benchmarking.configured_job": "benchmarking.executor.configured_job",
    "benchmarking.contention": "benchmarking.loop.contention",
    "benchmarking.continuing": "benchmarking.resuming",
    "benchmarking.doctor": "benchmarking.machine.doctor",
    "benchmarking.feeding": "benchmarking.inputs.feeding",
    "benchmarking.foreign_signature": "benchmarking.inputs.foreign_signature",
    "benchmarking.gpus": "benchmarking.machine.gpus",
    "benchmarking.health": "benchmarking.machine.health",
    "benchmarking.installer": "benchmarking.environments.installer",
    "benchmarking.job": "benchmarking.executor.job",
    "benchmarking.kernel_files": "benchmarking.machine.kernel_files",
    "benchmarking.kernels": "benchmarking.machine.limit_kernels",
    "benchmarking.machine_limits": "benchmarking.machine.limits",
    "benchmarking.observation": "benchmarking.machine.observation",
    "benchmarking.own_environment": "benchmarking.loop.own_environment",
    "benchmarking.placement": "benchmarking.loop.placement",
    "benchmarking.pool": "benchmarking.loop.input_batches",
    "benchmarking.power": "benchmarking.machine.power",
    "benchmarking.process": "benchmarking.executor.process",
    "benchmarking.pythons": "benchmarking.environments.pythons",
    "benchmarking.queueing": "benchmarking.loop.queueing",
    "benchmarking.quota": "benchmarking.machine.quota",
    "benchmarking.raw": "benchmarking.loop.encoded_samples",
    "benchmarking.retry": "benchmarking.inputs.retry",
    "benchmarking.scenarios": "benchmarking.loop.scenarios",
    "benchmarking.session": "benchmarking.benchmark",
    "benchmarking.steady": "benchmarking.loop.timed_loop",
    "benchmarking.throttle": "benchmarking.machine.throttle",
    "benchmarking.verdict.power": "benchmarking.verdict.throttling",
    "benchmarking.versions": "benchmarking.environments.versions",
    "benchmarking.worker": "benchmarking.loop.worker",
    "benchmarking.worker_inputs": "benchmarking.loop.worker_inputs",
    "benchmarking.worker_outputs": "benchmarking.loop.worker_outputs",
    "change_points": "statistics.change_points",
    "child_process": "system.child_process",
    "claims": "system.claims",
    "cli.benchmark": "cli.commands.benchmark",
    "cli.boards": "cli.commands.boards",
    "cli.bundle": "cli.commands.bundle",
    "cli.compare": "cli.commands.compare",
    "cli.convert": "cli.commands.convert",
    "cli.data": "cli.commands.data",
    "cli.data_capture": "cli.commands.data_capture",
    "cli.data_pack": "cli.commands.data_pack",
    "cli.detect": "cli.commands.detect",
    "cli.doctor": "cli.commands.doctor",
    "cli.env": "cli.commands.env",
    "cli.explain": "cli.commands.explain",
    "cli.messages": "cli.screen.messages",
    "cli.models": "cli.commands.models",
    "cli.optimize": "cli.commands.optimize",
    "cli.progress": "cli.screen.progress",
    "cli.report": "cli.commands.report",
    "cli.results": "cli.commands.results",
    "cli.results_bisect": "cli.commands.results_bisect",
    "cli.results_gate": "cli.commands.results_gate",
    "cli.run": "cli.commands.run",
    "cli.search": "cli.commands.search",
    "cli.sections": "cli.screen.sections",
    "cli.streams": "cli.screen.streams",
    "cli.tables": "cli.screen.tables",
    "cli.timeline": "cli.screen.timeline",
    "cli.train": "cli.commands.train",
    "cli.translate": "cli.commands.translate",
    "cli.verify": "cli.commands.verify",
    "conversion.activations": "conversion.inference.activations",
    "conversion.alignment": "conversion.inference.alignment",
    "conversion.channels_last": "conversion.rewriting.keras.channels_last",
    "conversion.derived": "conversion.exporters.derived",
    "conversion.detectors": "conversion.detector_manifest",
    "conversion.feeding": "conversion.inference.preprocessing",
    "conversion.float_tail": "conversion.quantizers.float_tail",
    "conversion.gate": "conversion.verification.gate",
    "conversion.gathering": "conversion.inference.spooled_outputs",
    "conversion.graphs": "conversion.exporters.keras_graph",
    "conversion.grouped_signals": "conversion.rewriting.onnx.grouped_signals",
    "conversion.in_steps": "conversion.verification.in_steps",
    "conversion.loading": "conversion.inference.crash_check",
    "conversion.mnn": "conversion.exporters.onnx_to_mnn",
    "conversion.ncnn": "conversion.exporters.onnx_to_ncnn",
    "conversion.ncnn_quantization": "conversion.quantizers.ncnn",
    "conversion.ncnn_rewriting": "conversion.rewriting.onnx.for_pnnx",
    "conversion.new_operators": "conversion.rewriting.onnx.new_operators",
    "conversion.onnx": "conversion.exporters.tensorflow_to_onnx",
    "conversion.onnx_dequantization": "conversion.rewriting.onnx.dequantization",
    "conversion.onnx_integers": "conversion.rewriting.onnx.integers",
    "conversion.onnx_rewriting": "conversion.rewriting.onnx.plain_form",
    "conversion.plain_argmax": "conversion.rewriting.keras.plain_argmax",
    "conversion.pooling": "conversion.rewriting.keras.pooling",
    "conversion.preflight": "conversion.exporters.preflight",
    "conversion.quantizers.levers": "conversion.quantizers.weight_adjustment",
    "conversion.rare_operators": "conversion.rewriting.onnx.rare_operators",
    "conversion.same_numbers": "conversion.verification.same_numbers",
    "conversion.scale_folding": "conversion.rewriting.onnx.scale_folding",
    "conversion.sensitivity": "conversion.verification.sensitivity",
    "conversion.source": "conversion.sources.base",
    "conversion.tflite": "conversion.exporters.tensorflow_to_tflite",
    "conversion.tflite_numbers": "conversion.rewriting.tflite.weights",
    "conversion.tflite_rewriting": "conversion.rewriting.tflite.plain_form",
    "conversion.tool": "conversion.exporters.tool",
    "conversion.trial": "conversion.exporters.operator_trial",
    "conversion.upsampling": "conversion.rewriting.keras.upsampling",
    "conversion.verify": "conversion.verification.verify",
    "conversion.verify_sequences": "conversion.verification.sequences",
    "data.held_out": "data.splitting.held_out",
    "data.seen": "data.splitting.training_overlap",
    "data.set_apart": "data.splitting.calibration_holdout",
    "evaluation.parity_words": "evaluation.parity_findings",
    "evaluation.parts": "evaluation.value_ranges",
    "explanation.sections.parts": "explanation.sections.layout_blocks",
    "feeding.proof": "feeding.inferred_input",
    "interval": "statistics.interval",
    "json_schema": "results.json_schema",
    "measurements": "results.measurements",
    "native_output": "system.native_output",
    "opencv_threads": "system.opencv_threads",
    "optimization.bundle": "optimization.bundles.bundle",
    "optimization.c_array": "optimization.bundles.c_array",
    "optimization.delivery": "optimization.bundles.delivery",
    "optimization.installing": "optimization.bundles.installing",
    "optimization.parts": "optimization.data_split",
    "optimization.runner": "optimization.bundles.runner",
    "optimization.self_test": "optimization.bundles.self_test",
    "optimization.shipping": "optimization.bundles.shipping",
    "optimization.tried": "optimization.candidates",
    "optimization.vendored": "optimization.bundles.vendored",
    "optimization.words": "optimization.outcome_text",
    "output_quality": "results.output_quality",
    "places": "system.places",
    "privacy": "system.privacy",
    "proof": "results.chance_level",
    "proportions": "statistics.proportions",
    "ratios": "statistics.ratios",
    "repeat": "results.repeat",
    "reporting.answer": "analysis.answer",
    "reporting.attention": "reporting.charts.attention",
    "reporting.baselines": "analysis.baselines",
    "reporting.bundle": "reporting.charts.drawing_library",
    "reporting.chart_primitives": "reporting.charts.primitives",
    "reporting.chart_rendering": "reporting.charts.rendering",
    "reporting.compare": "analysis.compare",
    "reporting.compiled_charts": "reporting.charts.compiled",
    "reporting.formats": "numbers",
    "reporting.history_chart": "reporting.charts.history",
    "reporting.lineage": "analysis.lineage",
    "reporting.machines": "analysis.machines",
    "reporting.matching": "analysis.matching",
    "reporting.pairing": "analysis.pairing",
    "reporting.row": "analysis.row",
    "reporting.rows": "analysis.rows",
    "reporting.specs": "reporting.charts.specs",
    "results_schema": "results.schema",
    "run_details": "results.run_details",
    "run_options": "results.run_options",
    "runs": "results.runs",
    "scratch": "system.scratch",
    "search.carrier": "search.dask_worker",
    "search.crew": "search.worker_pool",
    "sequences.parts": "sequences.graphs",
    "stats": "statistics.samples",
    "store.place": "store.address",
    "training.batches": "training.classification.batches",
    "training.box_augmentation": "training.detection.augmentation",
    "training.box_batches": "training.detection.batches",
    "training.boxes": "training.detection.task",
    "training.classes": "training.classification.task",
    "training.cutouts": "training.detection.cutouts",
    "training.detection_data": "training.detection.data",
    "training.detection_loss": "training.detection.loss",
    "training.sequence_batches": "training.sequences.batches",
    "training.subject": "training.task",
    "vision.capture": "vision.sources.capture",
    "vision.clients": "vision.outputs.clients",
    "vision.containers": "vision.sources.containers",
    "vision.detector": "vision.detectors.detector",
    "vision.events": "vision.outputs.events",
    "vision.explain": "vision.evidence.drawing",
    "vision.first_layer": "vision.evidence.first_layer",
    "vision.fragments": "vision.outputs.fragments",
    "vision.frames": "vision.sources.frames",
    "vision.growing_file": "vision.outputs.growing_file",
    "vision.image_files": "vision.sources.image_files",
    "vision.input_size": "vision.detectors.input_size",
    "vision.near_look": "vision.detectors.near_look",
    "vision.pipeline.evidence": "vision.evidence.computing",
    "vision.readers": "vision.sources.readers",
    "vision.recording": "vision.outputs.recording",
    "vision.reduced": "vision.sources.reduced_jpeg",
    "vision.second_look": "vision.detectors.second_look",
    "vision.server": "vision.outputs.server",
    "vision.shrink": "vision.detectors.shrink",
    "vision.size_choice": "vision.detectors.size_choice",
    "vision.street": "vision.sources.street",
    "vision.thresholds": "vision.detectors.thresholds",
    "vision.window": "vision.outputs.window",
}
"""Old name → new name, both below edgecnn."""


class _Loader(Loader):
    """Gives a module that is there already, as it is."""

    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        module = importlib.import_module(self._new)
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own  # the import system has put the old name's there


class _Finder(MetaPathFinder):
    """Asked last, so that nothing that exists is looked up here."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname.removeprefix("edgecnn."))
        if new is None or not fullname.startswith("edgecnn."):
            return None
        warnings.warn(f"{fullname} is now edgecnn.{new}", DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _Loader(f"edgecnn.{new}"))


def find_old_names() -> None:
    """Let the import system find the modules in `MOVED`."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
