"""Choose by name without importing.

A table maps a name to "module:attribute"; the module is imported when the name is chosen.
Third parties use the same door: an entry point in the table's group adds a name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from edgecnn.errors import InputError, MissingDependencyError

Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Registry:
    """Names of one kind, each with the place where its implementation lives."""

    kind: str
    entry_point_group: str
    builtin: Mapping[str, str]

    @property
    def _table(self) -> dict[str, str]:
        return {**plugged_in().get(self.entry_point_group, {}), **self.builtin}

    def names(self) -> tuple[str, ...]:
        """All known names: those of edgecnn first, then those that entry points add."""
        extra = sorted(set(self._table) - set(self.builtin))
        return (*self.builtin, *extra)

    def check(self, name: str) -> None:
        """Raise InputError, with the nearest known name, for a name nobody registered."""
        if name not in self._table:
            raise unknown_name(self.kind, name, self.names())

    def load(self, name: str) -> Any:
        """Import what `name` stands for. Raises InputError for a name nobody registered."""
        self.check(name)
        module, _, attribute = self._table[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


@cache
def plugged_in() -> dict[str, dict[str, str]]:
    """What installed packages add: "module:attribute" by name, by group. All groups are read at
    once, since reading the metadata of all packages is what takes time.
    """
    from importlib.metadata import entry_points

    points = entry_points()
    return {
        group: {point.name: point.value for point in points.select(group=group)}
        for group in points.groups
        if group.startswith("edgecnn.")
    }


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An error that offers the nearest known name and lists them all."""
    import difflib

    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {nearest[0]!r}? " if nearest else ""
    return InputError(
        f"unknown {kind} {name!r}",
        hint=f"{meant}known: {', '.join(known)}",
    )


def lookup(kind: str, name: str, table: Mapping[str, Chosen]) -> Chosen:
    """What `table` has under `name`; raises InputError with the known names for any other.

    For every choice by name without a registry: a name nobody thought of must not become the
    last one of the list.
    """
    try:
        return table[name]
    except KeyError:
        raise unknown_name(kind, name, table) from None


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of edgecnn brings it.

    Raises MissingDependencyError only when the module itself is absent: a module that is
    there but fails to import says so in its own words.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingDependencyError(
            f"{module.partition('.')[0]} is not installed",
            hint=f"pip install 'edgecnn[{extra}]'",
        ) from error


MODELS = Registry(
    "model",
    "edgecnn.models",
    {
        "lenet5": "edgecnn.models.lenet5:build",
        "simple": "edgecnn.models.simple:build",
        "alexnet": "edgecnn.models.alexnet:build",
        "googlenet": "edgecnn.models.googlenet:build",
        "resnet8": "edgecnn.models.resnet8:build",
        "resnet18": "edgecnn.models.resnet:build_18",
        "resnet34": "edgecnn.models.resnet:build_34",
        "resnet50": "edgecnn.models.resnet:build_50",
        "textcnn": "edgecnn.models.textcnn:build",
        "cnn1d": "edgecnn.models.cnn1d:build",
        "voxnet": "edgecnn.models.voxnet:build",
    },
)

# Not among MODELS: these answer with boxes.
DETECTORS = Registry(
    "detector",
    "edgecnn.detectors",
    {
        "detector_nano": "edgecnn.models.stop_sign:build_detector_nano",
        "detector_small": "edgecnn.models.stop_sign:build_detector_small",
        "stop_sign_nano": "edgecnn.models.stop_sign:build_nano",
        "stop_sign_small": "edgecnn.models.stop_sign:build_small",
    },
)

# Nor here: these answer with a sequence, and their modules say how to take them apart (`parts`).
SEQUENCE_MODELS = Registry(
    "sequence model",
    "edgecnn.sequence_models",
    {"convs2s": "edgecnn.models.convs2s:build"},
)


def trained_names() -> tuple[str, ...]:
    """Networks that `train` and `run` take: for classes, for boxes, for sequences."""
    return (*MODELS.names(), *DETECTORS.names(), *SEQUENCE_MODELS.names())


def check_trained(name: str) -> None:
    """Raise InputError, with the nearest known name, for a network that nobody registered."""
    if name not in trained_names():
        raise unknown_name("model", name, trained_names())


DATA_SOURCES = Registry(
    "data source",
    "edgecnn.data",
    {
        "digits": "edgecnn.data.sources.digits:load",
        "mnist": "edgecnn.data.sources.mnist:load",
        "fashion-mnist": "edgecnn.data.sources.fashion_mnist:load",
        "cifar10": "edgecnn.data.sources.cifar10:load",
        "gtsrb": "edgecnn.data.sources.gtsrb:load",
        "text": "edgecnn.data.sources.text:load",
        "pairs": "edgecnn.data.sources.pairs:load",
        "spoken-digits": "edgecnn.data.sources.spoken_digits:load",
        "wav": "edgecnn.data.sources.wav:load",
        "voxels": "edgecnn.data.sources.voxels:load",
        "arrays": "edgecnn.data.sources.arrays:load",
        "npz": "edgecnn.data.sources.named_tensors:load",
        "folder": "edgecnn.data.sources.folder:load",
        "packed": "edgecnn.data.sources.packed:load",
        "coco": "edgecnn.data.sources.detection:coco",
        "voc": "edgecnn.data.sources.detection:voc",
        "yolo": "edgecnn.data.sources.detection:yolo",
        "sent": "edgecnn.data.sources.sent:load",
    },
)

FORMATS = Registry(
    "model format",
    "edgecnn.formats",
    {
        "tflite": "edgecnn.formats.tflite:TFLite",
        "onnx": "edgecnn.formats.onnx:ONNX",
        "keras": "edgecnn.formats.keras:Keras",
        "ncnn": "edgecnn.formats.ncnn:NCNN",
        "mnn": "edgecnn.formats.mnn:MNN",
        "tflite-seq2seq": "edgecnn.formats.seq2seq:TFLiteSeq2Seq",
        "onnx-seq2seq": "edgecnn.formats.seq2seq:ONNXSeq2Seq",
    },
)

RUNTIMES = Registry(
    "runtime",
    "edgecnn.runtimes",
    {
        "litert": "edgecnn.runtimes.litert:LiteRT",
        "tflite-runtime": "edgecnn.runtimes.tflite_runtime:TFLiteRuntime",
        "onnxruntime": "edgecnn.runtimes.onnxruntime:ONNXRuntime",
        "openvino": "edgecnn.runtimes.openvino:OpenVINO",
        "opencv": "edgecnn.runtimes.opencv:OpenCV",
        "ncnn": "edgecnn.runtimes.ncnn:NCNN",
        "mnn": "edgecnn.runtimes.mnn:MNN",
        "keras": "edgecnn.runtimes.keras:Keras",
    },
)

HEADS = Registry(
    "detection head",
    "edgecnn.heads",
    {
        "heat_map": "edgecnn.detection.heads.heat_map:HeatMap",
        "yolov5": "edgecnn.detection.heads.yolov5:YOLOv5",
        "yolov5_nms": "edgecnn.detection.heads.yolov5_nms:YOLOv5NMS",
        "yolov8": "edgecnn.detection.heads.yolov8:YOLOv8",
        "end_to_end": "edgecnn.detection.heads.end_to_end:EndToEnd",
        "yolox": "edgecnn.detection.heads.yolox:YOLOX",
        "nanodet": "edgecnn.detection.heads.nanodet:NanoDet",
        "ssd": "edgecnn.detection.heads.ssd:SSD",
        "fastestdet": "edgecnn.detection.heads.fastestdet:FastestDet",
    },
)

TASKS = Registry(
    "task",
    "edgecnn.tasks",
    {
        "classification": "edgecnn.evaluation.class_scorer:ClassScorer",
        "detection": "edgecnn.evaluation.box_scorer:BoxScorer",
        "translation": "edgecnn.evaluation.translation_scorer:TranslationScorer",
        "unlabeled": "edgecnn.evaluation.unlabeled:UnlabeledScorer",
    },
)
