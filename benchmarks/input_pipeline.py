"""Does the input pipeline starve the network? Steps a second with it and without.

`python benchmarks/input_pipeline.py [--pictures 2560] [--rounds 5]`
    →   benchmarks/results/input_pipeline.json

ResNet-8 trains on 32×32 images, batch 64, augmentation "standard": from PNG and from JPEG
files that are decoded as they are needed, and from the pipeline's own memory; each between two
turns of the same network on one batch that is already there. A turn is a training of three
epochs, of which the last two are timed from their beginning to their end, so that starting an
epoch counts and starting a training does not. What is reported is the median over rounds of
the ratio to the mean of the two turns on tensors in memory, with the least and the greatest:
where these lie far apart, the machine was not quiet.
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

import keras
import numpy as np
from PIL import Image

from edgecnn.benchmarking.machine import description as machine
from edgecnn.data.base import Split
from edgecnn.data.files.images import ImageFiles
from edgecnn.files import write_text_atomically
from edgecnn.preprocessing import ImagePreprocessing
from edgecnn.system.opencv_threads import opencv_in_one_thread
from edgecnn.training import network
from edgecnn.training.augmentation import augmentation_for
from edgecnn.training.classification.batches import MAX_CACHED_BYTES, Tensors, training_batches
from edgecnn.training.config import config_for
from edgecnn.training.prefetch import prefetched

RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
BATCH = 64
EPOCHS = 3
GOAL = 0.9
BASE = "tensors in memory"


def main() -> None:
    """Measure all ways and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2560, help="in an epoch; whole batches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    steps = arguments.images // BATCH
    recipe = config_for("resnet8", batch_size=BATCH)
    model = network.build(
        "resnet8", {"input_shape": (32, 32, 3), "num_classes": 10}, seed=0, precision="off"
    )
    network.compile_for_training(model, recipe, epochs=1000, steps_per_epoch=100)
    with tempfile.TemporaryDirectory() as folder, opencv_in_one_thread():
        splits = _splits(Path(folder), steps * BATCH)
        made = {name: _batches(split, limit) for name, split, limit in splits}
        base = _standing(made["memory"], steps)
        ways = {name: prefetched(batches) for name, batches in made.items()}
        _steps_per_second(model, base, steps)  # traces
        rates: dict[str, list[float]] = {name: [] for name in ways}
        shares: dict[str, list[float]] = {name: [] for name in ways}
        rates[BASE] = [_steps_per_second(model, base, steps)]
        for _ in range(arguments.rounds):
            for name, batches in ways.items():
                before = rates[BASE][-1]
                rates[name].append(_steps_per_second(model, batches, steps))
                rates[BASE].append(_steps_per_second(model, base, steps))
                around = (before + rates[BASE][-1]) / 2
                shares[name].append(rates[name][-1] / around)
                print(f"{name}: {rates[name][-1]:.2f} of {around:.2f} steps/s", flush=True)
    shares = {
        name: {"median": statistics.median(own), "least": min(own), "greatest": max(own)}
        for name, own in shares.items()
    }
    for name, share in shares.items():
        print(
            f"{name}: {share['median']:.1%} of the steps on {BASE} "
            f"({share['least']:.1%} to {share['greatest']:.1%})"
        )
    outcome = {
        "cpu": machine.capture().machine["cpu_model"],
        "network": "resnet8",
        "batch": BATCH,
        "steps_in_an_epoch": steps,
        "augment": recipe.augment,
        "steps_per_second": rates,
        "share_of_memory": shares,
        "goal": GOAL,
        "reached": {name: share["median"] >= GOAL for name, share in shares.items()},
    }
    text = json.dumps(outcome, indent=1, ensure_ascii=False) + "\n"
    write_text_atomically(arguments.output, text)


def _splits(folder: Path, count: int) -> Iterator[tuple[str, Split, int]]:
    """Smooth random images, as arrays and as files; the limit of what the pipeline keeps."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, count)
    coarse = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    images = np.stack(
        [
            np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC))
            for one in coarse
        ]
    )
    yield "memory", Split(images, labels), MAX_CACHED_BYTES
    for ending in ("png", "jpg"):
        paths = tuple(folder / f"{index}.{ending}" for index in range(count))
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        yield f"{ending} files", Split(ImageFiles(paths, 3), labels), 0


def _batches(split: Split, limit: int) -> Any:
    preprocessing = ImagePreprocessing(32, 32, 3)
    augment = augmentation_for("image", "standard", mirror=True, preprocessing=preprocessing)
    tensors = Tensors(split, preprocessing, max_bytes=limit)
    return training_batches(tensors, BATCH, seed=0, augment=augment)


def _standing(batches: Any, steps: int) -> Any:
    """The same batch in every step, made beforehand."""
    import tensorflow as tf

    samples, labels = batches[0]
    one = tf.data.Dataset.from_tensors((tf.constant(samples), tf.constant(labels)))
    options = tf.data.Options()
    options.autotune.enabled = False  # as in edgecnn.training.prefetch
    return one.cache().repeat(steps).with_options(options)


def _steps_per_second(model: Any, batches: Any, steps: int) -> float:
    """In the epochs after the first; the threads that read begin with each, none runs ahead."""
    times: list[float] = []
    stopwatch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(time.perf_counter()),
        on_epoch_end=lambda *_: times.append(time.perf_counter()),
    )
    model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[stopwatch])
    seconds = sum(end - begin for begin, end in zip(times[2::2], times[3::2], strict=True))
    return (EPOCHS - 1) * steps / seconds


if __name__ == "__main__":
    main()
