"""From nothing to the weights of the stop-sign detectors that ship.

    python -m edgecnn.training.stop_sign --data ../shared/data/stop_signs --out runs/stop_sign

Signs are learnt first in small windows, where a picture costs a quarter and signs have the
sizes they have in the whole frame, and then for a few epochs in whole frames. One cosine runs
over both. Each epoch leaves a checkpoint; the same command goes on from there after a kill.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data.boxes.base import BoxDataset, split_in_blocks
from edgecnn.data.boxes.coco import load_coco
from edgecnn.data.synthetic.scenes import SyntheticScenes
from edgecnn.detection.answer import OURS
from edgecnn.files import atomic_path
from edgecnn.keras_files import import_keras
from edgecnn.manifest import Artifact, Manifest, TensorSpec, write_manifest
from edgecnn.models import build
from edgecnn.models.stop_sign import STRIDE
from edgecnn.preprocessing import LetterboxPreprocessing
from edgecnn.progress import Progress, silent
from edgecnn.registry import require
from edgecnn.training.box_augmentation import View
from edgecnn.training.detection_data import Mix, Pool, load_pictures, render
from edgecnn.training.detection_loss import detection_loss

TRAINED_ON = ("roadsign877", "rf_stopsigns210")
BLOCK, EVERY = 40, 5
HELD_OUT = 2
"""Of both sources the third of every five blocks of 40 file numbers is held out."""


@dataclass(frozen=True)
class Stage:
    """Epochs over windows (`whole=False`) or whole frames of `size` pixels.

    `boost` multiplies the learning rate: the first whole frames bring signs larger than any
    window, which the end of the cosine alone would be too slow to learn.
    """

    epochs: int
    size: int
    batch: int
    whole: bool
    boost: float = 1.0
    mix: Mix = field(default_factory=Mix)


@dataclass(frozen=True)
class Schedule:
    """Everything that decides the outcome, beside the data."""

    model: str
    frame: int
    stages: tuple[Stage, ...]
    pictures_per_epoch: int = 6400
    scenes: int = 8000
    learning_rate: float = 2e-3
    final_share: float = 0.01
    warmup: int = 200
    weight_decay: float = 0.02
    seed: int = 7

    def steps(self, stage: Stage) -> int:
        """Batches in an epoch; whole frames cost more, so an epoch has fewer of them."""
        pictures = self.pictures_per_epoch // (4 if stage.whole else 1)
        return max(1, pictures // stage.batch)

    @property
    def total_steps(self) -> int:
        return sum(stage.epochs * self.steps(stage) for stage in self.stages)

    def rate(self, step: int) -> float:
        """Learning rate at a step: linear warm-up, then half a cosine."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.total_steps - self.warmup)
        share = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        return self.learning_rate * (self.final_share + (1 - self.final_share) * share)

    def record(self) -> dict[str, Any]:
        """For the manifest and the model card."""
        return asdict(self)


CAUTIOUS = Mix(drawn=0.35, negatives=0.35)
"""More photos without a sign towards the end, against false alarms."""

SCHEDULES = {
    "stop_sign_small": Schedule(
        "stop_sign_small",
        frame=512,
        stages=(
            Stage(epochs=2, size=256, batch=32, whole=False),
            Stage(epochs=8, size=192, batch=48, whole=False),
            Stage(epochs=2, size=512, batch=16, whole=True, boost=3.0),
            Stage(epochs=16, size=512, batch=16, whole=True, boost=3.0, mix=CAUTIOUS),
        ),
    ),
    "stop_sign_nano": Schedule(
        "stop_sign_nano",
        frame=384,
        stages=(
            Stage(epochs=10, size=192, batch=48, whole=False),
            Stage(epochs=6, size=384, batch=16, whole=True, boost=3.0),
        ),
    ),
}
"""What the shipped weights were trained with."""


@dataclass(frozen=True)
class Sources:
    """Annotated photos: those learnt from, and those of the same sources held out."""

    kept: tuple[BoxDataset, ...]
    held_out: tuple[BoxDataset, ...]


def load_sources(folder: Path, names: Sequence[str] = TRAINED_ON) -> Sources:
    """Read COCO sources and hold out blocks of each. Raises InputError when one is missing."""
    pairs = [
        split_in_blocks(load_coco(folder / name), block=BLOCK, every=EVERY, offset=HELD_OUT)
        for name in names
    ]
    return Sources(tuple(kept for kept, _ in pairs), tuple(out for _, out in pairs))


def make_pool(
    sources: Sources, schedule: Schedule, out: Path, *, progress: Progress = silent
) -> Pool:
    """Photos in memory and scenes in `out`; half of these stand on the photos without a sign."""
    positives = load_pictures([file for data in sources.kept for file in data.positives])
    negatives = load_pictures([file for data in sources.kept for file in data.negatives])
    backgrounds = [sample.picture for sample in negatives]
    scenes = SyntheticScenes(schedule.seed, schedule.scenes, backgrounds=backgrounds)
    drawn = render(out, scenes, progress=progress)
    return Pool(positives, negatives, drawn)


def fit(pool: Pool, schedule: Schedule, checkpoint: Path, *, progress: Progress = silent) -> Any:
    """Train, or go on from `checkpoint`, and return the keras.Model of the last stage's size."""
    keras = import_keras()
    epoch, step, weights, slots = 0, 0, None, None
    if checkpoint.exists():
        epoch, step, weights, slots = _read(checkpoint)
    first = 0
    net = None
    for number, stage in enumerate(schedule.stages):
        last = first + stage.epochs
        if epoch >= last and number + 1 < len(schedule.stages):
            first = last
            continue
        net = build(schedule.model, seed=schedule.seed, input_shape=(stage.size, stage.size, 3))
        trained, optimizer = _compiled(keras, net, schedule)
        if weights is not None and slots is not None:
            net.set_weights(weights)
            for variable, value in zip(optimizer.variables, slots, strict=True):
                variable.assign(value)
        while epoch < last:
            started = time.monotonic()
            batches = _batches(keras, pool, stage, schedule, epoch)
            rate = _rate_callback(keras, schedule, stage, optimizer, step)
            history = trained.fit(batches, epochs=1, verbose=0, callbacks=[rate])
            epoch += 1
            step += schedule.steps(stage)
            _write(checkpoint, epoch, step, net, optimizer)
            progress(
                "train",
                epoch,
                sum(s.epochs for s in schedule.stages),
                f"loss {history.history['loss'][-1]:.4f} in {time.monotonic() - started:.0f} s",
            )
        weights = net.get_weights()
        slots = [np.asarray(variable) for variable in optimizer.variables]
        first = last
    return net


def _compiled(keras: Any, net: Any, schedule: Schedule) -> tuple[Any, Any]:
    joined = keras.layers.Concatenate()(net.outputs)
    trained = keras.Model(net.input, joined)
    optimizer = keras.optimizers.AdamW(
        schedule.learning_rate, weight_decay=schedule.weight_decay, clipnorm=10.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(trained.trainable_variables)
    trained.compile(optimizer, loss=detection_loss, jit_compile=False)
    return trained, optimizer


def _batches(keras: Any, pool: Pool, stage: Stage, schedule: Schedule, epoch: int) -> Any:
    view = View(stage.size, schedule.frame, whole=stage.whole)

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return schedule.steps(stage)

        def __getitem__(self, index: int) -> Any:
            return pool.batch(view, stage.mix, stage.batch, [schedule.seed, epoch, index])

    return Batches(workers=2, use_multiprocessing=False, max_queue_size=12)


def _rate_callback(keras: Any, schedule: Schedule, stage: Stage, optimizer: Any, start: int) -> Any:
    class Rate(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            del logs
            optimizer.learning_rate = stage.boost * schedule.rate(start + batch)

    return Rate()


def _write(path: Path, epoch: int, step: int, net: Any, optimizer: Any) -> None:
    arrays = {f"w{i}": value for i, value in enumerate(net.get_weights())}
    arrays |= {f"o{i}": np.asarray(value) for i, value in enumerate(optimizer.variables)}
    with atomic_path(path) as temporary:
        np.savez(temporary, epoch=epoch, step=step, **arrays)


def _read(path: Path) -> tuple[int, int, list[Any], list[Any]]:
    with np.load(path) as stored:
        count = {kind: sum(name.startswith(kind) for name in stored.files) for kind in "wo"}
        weights, slots = (
            [stored[f"{kind}{index}"] for index in range(count[kind])] for kind in "wo"
        )
        return int(stored["epoch"]), int(stored["step"]), weights, slots


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: train and write `<out>/<model>.keras`."""
    parser = argparse.ArgumentParser(description="Train a stop-sign detector.")
    parser.add_argument("--data", type=Path, required=True, help="folder with the COCO sources")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=tuple(SCHEDULES), default="stop_sign_small")
    parser.add_argument("--sources", default=",".join(TRAINED_ON), help="to learn from")
    parser.add_argument("--pictures", type=int, help="views an epoch, instead of the shipped")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    schedule = replace(SCHEDULES[options.model], seed=options.seed)
    if options.pictures:
        schedule = replace(schedule, pictures_per_epoch=options.pictures)
    require("cv2", "opencv").setNumThreads(1)
    sources = load_sources(options.data, options.sources.split(","))
    pool = make_pool(sources, schedule, options.out, progress=_print)
    net = fit(pool, schedule, options.out / f"{options.model}.npz", progress=_print)
    save(net, schedule, sources, options.out / f"{options.model}.keras")


def save(net: Any, schedule: Schedule, sources: Sources, out: Path) -> Artifact:
    """Write `out` (a `.keras` file without optimizer) with its manifest."""
    side = schedule.frame
    manifest = Manifest(
        task="detection",
        model=schedule.model,
        recipe="float32",
        inputs=(TensorSpec("input", (None, side, side, 3), "float32", "NHWC"),),
        outputs=tuple(
            TensorSpec(name, (None, side // STRIDE, side // STRIDE, channels), "float32", "NHWC")
            for name, channels in (("heat", 1), ("box", 4))
        ),
        preprocessing=LetterboxPreprocessing(side, side, 3),
        postprocessing=OURS,
        labels=("stop sign",),
        data={
            "name": "+".join(data.name for data in sources.kept),
            "sha256": {data.name: data.sha256 for data in sources.kept},
            "samples": {
                "train": {data.name: len(data) for data in sources.kept},
                "held_out": {data.name: len(data) for data in sources.held_out},
                "scenes": schedule.scenes,
            },
            "split": {"block": BLOCK, "every": EVERY, "held_out": HELD_OUT},
        },
        training=schedule.record(),
        versions={name: version(name) for name in ("keras", "tensorflow", "opencv-python")},
    )
    with atomic_path(out) as temporary:
        net.save(temporary)
    return write_manifest(out, manifest)


def _print(stage: str, done: int, total: int, message: str = "") -> None:
    print(f"{time.strftime('%H:%M:%S')} {stage} {done}/{total} {message}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
