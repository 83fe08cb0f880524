"""Make the files in edgecnn/assets from a trained detector.

    python -m edgecnn.training.stop_sign --data ../shared/data/stop_signs --out runs/stop_sign
    python benchmarks/ship_stop_signs.py runs/stop_sign/stop_sign_small.keras \
        --data ../shared/data/stop_signs

Converts to the static int8 `.tflite` and the float32 and static int8 `.onnx`, calibrated on
training photos as they enter the network, chooses the threshold that ships, and writes it into
all manifests as `metrics.min_score`.

The threshold is the lowest (in steps of 0.01, at least 0.30) at which the int8 `.tflite` has a
false alarm on at most 0.5% of the *training* negatives: the held-out ones only judge it.
"""

from __future__ import annotations

import argparse
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecnn.conversion.convert import convert
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.data.base import Dataset, Split
from edgecnn.embedded_manifest import load_artifact
from edgecnn.files import atomic_path
from edgecnn.manifest import write_manifest
from edgecnn.training.detection_data import load_pictures
from edgecnn.training.stop_sign import TRAINED_ON, Sources, load_sources
from edgecnn.vision import load_detector
from edgecnn.vision.detector import ASSETS

TARGETS = ("tflite:static_int8", "onnx:float32", "onnx:static_int8")
LOWEST = 0.30
ALLOWED = 0.005
"""Half of what is wanted on photos never seen: of those learnt from, fewer raise an alarm."""


def calibration_set(sources: Sources) -> Dataset:
    """Training photos with signs, and twice as many without, as a Dataset for `convert`."""
    positives = [
        sample.picture for data in sources.kept for sample in load_pictures(data.positives)
    ]
    negatives = [
        sample.picture for data in sources.kept for sample in load_pictures(data.negatives[::3])
    ]
    pictures = positives + negatives
    split = Split(pictures, np.zeros(len(pictures), np.int64))
    digest = "+".join(data.sha256 for data in sources.kept)
    return Dataset(
        "stop_signs",
        "detection",
        ("stop sign",),
        {"train": split, "test": split},
        digest,
        (0, 0, 3),
    )


def threshold(path: Path, sources: Sources) -> float:
    """The lowest score at which at most ALLOWED of the training negatives raise an alarm."""
    detector = load_detector(path, min_score=0.05)
    best = []
    for data in sources.kept:
        for sample in load_pictures(data.negatives):
            found = detector(np.ascontiguousarray(sample.picture[:, :, ::-1]))
            best.append(float(found.scores[0]) if len(found) else 0.0)
    for score in np.arange(LOWEST, 0.96, 0.01):
        if np.mean(np.asarray(best) >= score) <= ALLOWED:
            return round(float(score), 2)
    return 0.95


def _pack(source: Path, target: Path) -> None:
    """Copy a `.keras` archive compressed: Keras stores its members as they are (1.8 → 1.3 MB)."""
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(source) as loose,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
    ):
        for member in loose.infolist():
            packed.writestr(member.filename, loose.read(member.filename))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the files in edgecnn/assets.")
    parser.add_argument("model", type=Path, help="the trained .keras file, with its manifest")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sources", default=",".join(TRAINED_ON), help="it has learnt from")
    parser.add_argument("--out", type=Path, default=ASSETS)
    parser.add_argument("--samples", type=int, default=128, help="photos to calibrate with")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--keras", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    targets = options.targets.split(",")
    sources = load_sources(options.data, options.sources.split(","))
    options.out.mkdir(parents=True, exist_ok=True)
    kept = load_artifact(options.model).manifest
    parent = options.model
    if options.keras:  # what ships is what the others are made from: `edgecnn verify` looks
        parent = options.out / options.model.name
        _pack(options.model, parent)
        write_manifest(parent, kept)
    outcomes = convert(
        parent,
        targets,
        calibration=calibration_set(sources),
        samples=options.samples,
        out=options.out,
        force=True,
    )
    for outcome in outcomes:
        print(outcome.target, outcome.status, outcome.parity, outcome.error or "", flush=True)
    artifacts = [outcome.artifact for outcome in outcomes if outcome.artifact is not None]
    if len(artifacts) < len(targets):
        raise SystemExit(1)
    score = threshold(artifacts[0].path, sources)
    print("min_score", score, flush=True)
    if options.keras:
        write_manifest(parent, replace(kept, metrics={**kept.metrics, "min_score": score}))
    for artifact in artifacts:
        manifest = replace(artifact.manifest, metrics={"min_score": score})
        embed_manifest(artifact.path, manifest)
        write_manifest(artifact.path, manifest)
    for path in sorted(options.out.glob(f"{options.model.stem}*")):
        print(path.name, path.stat().st_size, flush=True)


if __name__ == "__main__":
    main()
