"""Does the input pipeline starve the network? Steps a second with it and without.

python benchmarks/input_pipeline.py [--seconds 20] [--rounds 5]
    →   benchmarks/results/input_pipeline.json

ResNet-8 trains on 32×32 pictures, batch 64, augmentation "standard": from PNG and from JPEG
files that are decoded as they are needed, and from the pipeline's own memory; each against the
same network on one batch that is already there. The ways take turns, round by round; what is
reported is the median over rounds of the ratio to the same round's steps from memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgecnn.benchmarking import machine
from edgecnn.data.base import Split
from edgecnn.data.pictures import PictureFiles
from edgecnn.files import write_text_atomically
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.training import network
from edgecnn.training.augmentation import augmentation_for
from edgecnn.training.batches import MAX_CACHED_BYTES, Tensors, training_batches
from edgecnn.training.recipe import recipe_for

RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
BATCH, PICTURES = 64, 6400
GOAL = 0.9


def main() -> None:
    """Measure all ways and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    recipe = recipe_for("resnet8", batch_size=BATCH)
    model = network.build(
        "resnet8", {"input_shape": (32, 32, 3), "num_classes": 10}, seed=0, precision="off"
    )
    network.compile_for_training(model, recipe, epochs=1000, steps_per_epoch=100)
    with tempfile.TemporaryDirectory() as folder:
        ways = {name: _batches(split, limit) for name, split, limit in _splits(Path(folder))}
        ways = {"tensors in memory": _standing(ways["memory"]), **ways}
        for batches in ways.values():
            _steps_per_second(model, batches, 1.0)  # traces, fills caches
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, batches in ways.items():
                rates[name].append(_steps_per_second(model, batches, arguments.seconds))
                print(f"{name}: {rates[name][-1]:.2f} steps/s", flush=True)
    base = rates["tensors in memory"]
    shares = {
        name: statistics.median(one / other for one, other in zip(own, base, strict=True))
        for name, own in rates.items()
    }
    for name, share in shares.items():
        print(f"{name}: {share:.1%} of the steps on tensors in memory")
    outcome = {
        "cpu": machine.capture().cpu_model,
        "network": "resnet8",
        "batch": BATCH,
        "augment": recipe.augment,
        "steps_per_second": rates,
        "share_of_memory": shares,
        "goal": GOAL,
        "reached": {name: share >= GOAL for name, share in shares.items()},
    }
    write_text_atomically(RESULT, json.dumps(outcome, indent=1, ensure_ascii=False) + "\n")


def _splits(folder: Path) -> Iterator[tuple[str, Split, int]]:
    """Smooth random pictures, as arrays and as files; the limit of what the pipeline keeps."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, PICTURES)
    coarse = rng.integers(0, 256, (PICTURES, 8, 8, 3), np.uint8)
    pictures = np.stack(
        [
            np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC))
            for one in coarse
        ]
    )
    yield "memory", Split(pictures, labels), MAX_CACHED_BYTES
    for ending in ("png", "jpg"):
        paths = tuple(folder / f"{index}.{ending}" for index in range(PICTURES))
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path)
        yield f"{ending} files", Split(PictureFiles(paths, 3), labels), 0


def _batches(split: Split, limit: int) -> Any:
    preprocessing = ImagePreprocessing(32, 32, 3)
    augment = augmentation_for("image", "standard", mirror=True, preprocessing=preprocessing)
    tensors = Tensors(split, preprocessing, max_bytes=limit)
    return training_batches(tensors, BATCH, seed=0, augment=augment)


def _standing(batches: Any) -> Any:
    """A hundred times the same batch, made beforehand."""
    import tensorflow as tf

    samples, labels = batches[0]
    one = tf.data.Dataset.from_tensors((tf.constant(samples), tf.constant(labels)))
    return one.cache().repeat(PICTURES // BATCH)


def _steps_per_second(model: Any, batches: Any, seconds: float) -> float:
    """Whole epochs until the time is over."""
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        model.fit(batches, epochs=1, shuffle=False, verbose=0)
        steps += PICTURES // BATCH
    return steps / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
