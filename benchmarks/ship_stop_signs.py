"""Make the files in edgecnn/assets from a trained detector.

    edgecnn train --model stop_sign_small … --out runs/stop_sign_small.keras
    python benchmarks/ship_stop_signs.py runs/stop_sign_small.keras \
        --data coco:SET,SET --cutouts coco:SET

`--data` and `--cutouts` are those of the training. Converts to the static int8 `.tflite` and the
float32 and static int8 `.onnx`, calibrated on training photos as they enter the network, chooses
the thresholds that ship, and writes them into all manifests as `metrics.min_score` and, for larger
inputs and a second look, as `edgecnn.vision.detectors.thresholds` names them.

A threshold is the lowest (in steps of 0.01, at least 0.30) at which the int8 `.tflite` has a false
alarm on at most 0.5% of the training negatives, on at most 1% of those that have as many pixels as
the input, and on at most 1% of the validation's, of which training saw none: it may have learned
its own by heart. Only other sources judge it.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.conversion.convert import convert
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.data import load
from edgecnn.data.base import Dataset
from edgecnn.data.boxes.base import BoxedFile
from edgecnn.data.sources.detection import DetectionDataset, split_of_files
from edgecnn.data.splitting.held_out import complete_splits
from edgecnn.embedded_manifest import load_artifact
from edgecnn.files import atomic_path
from edgecnn.manifest import write_manifest
from edgecnn.system.places import ASSETS
from edgecnn.training.detection.data import load_image
from edgecnn.vision import load_detector
from edgecnn.vision.detectors.second_look import load_second_look
from edgecnn.vision.detectors.thresholds import KEY, SECOND_LOOK, key_of

TARGETS = ("tflite:static_int8", "onnx:float32", "onnx:static_int8")
SCARCELY = 0.05
LOWEST = 0.30
ALLOWED = 0.005
"""Half of what is wanted on photos never seen: of those learned from, fewer raise an alarm."""
ALLOWED_OF_OTHERS = 0.01
LEAST_PHOTOS = 100
SIDES = (512, 640, 768, 1024, 1280)
"""Longer sides of inputs that have thresholds of their own, those above the network's own."""


def training_files(data: str, cutouts: str | None) -> tuple[BoxedFile, ...]:
    """The photos that training looked at."""
    files = split_of(data, "train")
    if cutouts:
        more: Any = load(cutouts)
        files += tuple(file for split in more.splits.values() for file in split.files)
    return files


def split_of(data: str, name: str) -> tuple[BoxedFile, ...]:
    """The photos of a split, as training divided the sets."""
    whole: Any = load(data)
    split: Any = complete_splits(whole).splits[name]
    files: tuple[BoxedFile, ...] = split.files
    return files


def calibration_set(files: Sequence[BoxedFile], digest: str) -> Dataset:
    """Training photos with signs, and as many without, as a Dataset for `convert`."""
    positives = [file for file in files if len(file.boxes)]
    negatives = [file for file in files if file.without_objects]
    chosen = positives + negatives[:: max(1, len(negatives) // max(1, len(positives)))]
    split = split_of_files(tuple(chosen), tuple(chosen))
    return DetectionDataset(
        "stop_signs",
        "detection",
        ("stop sign",),
        {"train": split, "test": split},
        digest,
        (0, 0, 3),
        class_names=("stop sign",),
    )


def pack(source: Path, target: Path) -> None:
    """Copy a `.keras` archive compressed: Keras stores its members as they are."""
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(source) as loose,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
    ):
        for member in loose.infolist():
            packed.writestr(member.filename, loose.read(member.filename))


def thresholds(
    path: Path, files: Sequence[BoxedFile], held: Sequence[BoxedFile]
) -> dict[str, float]:
    """For a manifest's metrics: a threshold for each way of looking, by photos that training saw
    and photos that were held out.
    """
    own = load_detector(path, min_score=SCARCELY)
    side = max(own.preprocessing.shape[:2])
    ways: dict[str, tuple[int, Any]] = {KEY: (side, own)}
    for larger in (one for one in SIDES if one > side):
        sized = load_detector(path, min_score=SCARCELY, input_size=(larger, larger))
        ways[key_of(larger)] = (larger, sized)
    ways[SECOND_LOOK] = (side, load_second_look(path, min_score=SCARCELY))
    best: dict[str, list[float]] = {name: [] for name in ways}
    pixels, unseen = [], []
    for number, file in enumerate((*files, *held)):
        if not file.without_objects:
            continue
        unseen.append(number >= len(files))
        image = np.ascontiguousarray(load_image(file).image[:, :, ::-1])
        pixels.append(max(image.shape[:2]))
        for name, (_, detector) in ways.items():
            found = detector(image)
            best[name].append(float(found.scores.max()) if len(found) else 0.0)
    return {
        name: lowest(np.asarray(best[name]), np.asarray(pixels) >= side, np.asarray(unseen))
        for name, (side, _) in ways.items()
    }


def lowest(
    best: npt.NDArray[np.float64], large: npt.NDArray[np.bool_], held: npt.NDArray[np.bool_]
) -> float:
    """The lowest score at which few enough of the photos raise an alarm; `best` are the highest
    scores in them, `large` is whether they have as many pixels as the input, and `held` whether
    they were held out.
    """
    parts = [(~held, ALLOWED), (~held & large, ALLOWED_OF_OTHERS), (held, ALLOWED_OF_OTHERS)]
    for score in np.arange(LOWEST, 0.96, 0.01):
        alarms = best >= score
        if all(
            part.sum() < LEAST_PHOTOS or alarms[part].mean() <= allowed for part, allowed in parts
        ):
            return round(float(score), 2)
    return 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the files in edgecnn/assets.")
    parser.add_argument("model", type=Path, help="the trained .keras file, with its manifest")
    parser.add_argument("--data", required=True, help="what it was trained on, as in coco:A,B")
    parser.add_argument("--cutouts", help="what was cut out")
    parser.add_argument("--out", type=Path, default=ASSETS)
    parser.add_argument("--samples", type=int, default=128, help="photos to calibrate with")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--keras", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    targets = options.targets.split(",")
    files = training_files(options.data, options.cutouts)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = load_artifact(options.model).manifest
    parent = options.model
    if options.keras:  # what ships is what the others are made from: `edgecnn verify` looks
        parent = options.out / options.model.name
        pack(options.model, parent)
        write_manifest(parent, kept)
    outcomes = convert(
        parent,
        targets,
        calibration=calibration_set(files, str(kept.data["sha256"])),
        samples=options.samples,
        out=options.out,
        force=True,
    )
    for outcome in outcomes:
        print(outcome.target, outcome.status, outcome.parity, outcome.error or "", flush=True)
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact is not None]
    if len(artifacts) < len(targets):
        raise SystemExit(1)
    held = split_of(options.data, "validation")
    scores = thresholds(artifacts[0].path, files, held)
    print(scores, flush=True)
    if options.keras:
        write_manifest(parent, replace(kept, metrics={**kept.metrics, **scores}))
    for artifact in artifacts:
        manifest = replace(artifact.manifest, metrics=scores)
        embed_manifest(artifact.path, manifest)
        write_manifest(artifact.path, manifest)
    for path in sorted(options.out.glob(f"{options.model.stem}*")):
        print(path.name, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
