"""How well `cnn1d` knows digits of a voice it never heard, and how that grows with the voices
that it learnt from.

python benchmarks/unheard_voices.py [--data ../shared/data/spoken_digits_1d/fsdd.npz]
    →   benchmarks/results/unheard_voices.json

Each of the six voices is the test once, all 500 recordings of it. The network learns, with its
own recipe, from 3 or 5 of the others (those that follow in the alphabet): takes 5 to 49;
takes 0 to 4 of the same voices choose the epoch, so that nothing of the tested voice is seen
before the test. All trainings take the same number of steps: fewer voices, more epochs.
What was measured before is kept when the script is stopped and run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking import machine
from edgecnn.data import wav
from edgecnn.data.assemble import assemble, take
from edgecnn.data.base import Dataset, Split
from edgecnn.data.spoken_digits import LABELS, RATE, SOURCE
from edgecnn.files import write_text_atomically
from edgecnn.training.fit import train

RESULT = Path(__file__).parent / "results" / "unheard_voices.json"
HEARD = (3, 5)
EPOCHS = 30
"""Of the recipe, for the four voices that the split `speakers` trains on."""


def main() -> None:
    """Train what was not trained before, and write the result after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    place = Path("../shared/data/spoken_digits_1d/fsdd.npz")
    parser.add_argument("--data", type=Path, default=place)
    parser.add_argument("--output", type=Path, default=RESULT)
    arguments = parser.parse_args()
    with np.load(arguments.data) as stored:
        arrays = {name: stored[name] for name in stored.files}
    voices = sorted({str(voice) for voice in arrays["speaker"]})
    done = _done(arguments.output)
    for heard in reversed(HEARD):
        for position, unheard in enumerate(voices):
            if unheard in done.setdefault(str(heard), {}):
                continue
            following = [voices[(position + step) % len(voices)] for step in range(1, heard + 1)]
            done[str(heard)][unheard] = _accuracy(arrays, following, unheard)
            print(f"{unheard}, {heard} heard: {done[str(heard)][unheard]:.1%}", flush=True)
            _write(arguments.output, done)


def _accuracy(arrays: dict[str, npt.NDArray[Any]], heard: list[str], unheard: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        epochs = round(EPOCHS * 4 / len(heard))
        out = Path(folder) / "cnn1d.keras"
        artifact = train("cnn1d", _dataset(arrays, heard, unheard), out=out, epochs=epochs)
    return float(artifact.manifest.metrics["test_accuracy"])


def _dataset(arrays: dict[str, npt.NDArray[Any]], heard: list[str], unheard: str) -> Dataset:
    offsets = arrays["offsets"]
    recordings = [arrays["samples"][start:stop] for start, stop in pairwise(offsets)]
    labels = arrays["labels"].astype(np.int64)
    known = np.isin(arrays["speaker"], heard)
    chosen = {
        "train": known & ~arrays["is_test"],
        "validation": known & arrays["is_test"],
        "test": arrays["speaker"] == unheard,
    }
    return assemble(
        "spoken-digits",
        {
            name: Split(take(recordings, np.flatnonzero(mask)), labels[mask])
            for name, mask in chosen.items()
        },
        LABELS,
        modality="signal",
        sample_shape=wav.usual_shape([len(one) for one in recordings], RATE),
        source=SOURCE,
        seed=0,
        hints={"kind": "spectrogram", "rate": RATE},
    )


def _done(path: Path) -> dict[str, dict[str, float]]:
    if not path.exists():
        return {}
    measured: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["top1"]
    return measured


def _write(path: Path, done: dict[str, dict[str, float]]) -> None:
    outcome = {
        "cpu": machine.capture().machine["cpu_model"],
        "network": "cnn1d",
        "test": "the voice named, 500 recordings; the number of other voices heard in training",
        "top1": done,
        "mean": {heard: statistics.mean(each.values()) for heard, each in done.items() if each},
    }
    write_text_atomically(path, json.dumps(outcome, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
