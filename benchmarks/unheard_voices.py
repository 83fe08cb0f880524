"""How well `cnn1d` knows digits of a voice it never heard, and how that grows with the voices
that it learned from.

python benchmarks/unheard_voices.py [--data ../shared/data/spoken_digits_1d/fsdd.npz]
    →   benchmarks/results/unheard_voices.json

Each of the six voices is the test once, all 500 recordings of it. The network learns, with its
own configuration, from 3 or 5 of the others (those that follow in the alphabet): takes 5 to 49;
takes 0 to 4 of the same voices choose the epoch, so that nothing of the tested voice is seen
before the test. All trainings take the same number of steps: fewer voices, more epochs.
What was measured before is kept when the script is stopped and run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np

from edgecnn.benchmarking.machine import description as machine
from edgecnn.data.sources import spoken_digits
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
    recordings = spoken_digits.read(arguments.data)
    voices = sorted(set(recordings.speakers.tolist()))
    done = _done(arguments.output)
    for heard in reversed(HEARD):
        for position, unheard in enumerate(voices):
            if unheard in done.setdefault(str(heard), {}):
                continue
            following = [voices[(position + step) % len(voices)] for step in range(1, heard + 1)]
            done[str(heard)][unheard] = _accuracy(recordings, following, unheard)
            print(f"{unheard}, {heard} heard: {done[str(heard)][unheard]:.1%}", flush=True)
            _write(arguments.output, done)


def _accuracy(recordings: spoken_digits.Recordings, heard: list[str], unheard: str) -> float:
    known = np.isin(recordings.speakers, heard)
    dataset = recordings.split(
        {
            "train": np.flatnonzero(known & ~recordings.is_test),
            "validation": np.flatnonzero(known & recordings.is_test),
            "test": np.flatnonzero(recordings.speakers == unheard),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cnn1d.keras"
        artifact = train("cnn1d", dataset, out=out, epochs=round(EPOCHS * 4 / len(heard)))
    return float(artifact.manifest.metrics["test_accuracy"])


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
