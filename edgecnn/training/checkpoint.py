"""Training checkpoints: the state of a training in one file, written atomically.

With the same seed a resumed training ends with the same weights as one that was never cut off,
bit for bit on the same machine and versions (tests/integration/training/test_resume.py): the
file holds all variables of network and optimizer, the state of dropout's generators, the
running means of a half-done epoch, the best epoch's weights and the history so far.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.files import atomic_path

Arrays = Sequence[npt.NDArray[Any]]
LAST = "val_last"
"""The monitor of a training whose last epoch counts."""


@dataclass
class TrainingHistory:
    """What has happened so far: one value an epoch in `numbers`, and which epoch was the best.

    `monitor` is a name in them; a loss should fall, everything else rise. With `LAST`
    each epoch is better than the one before. Among epochs
    of the same value the one with the lower `val_loss` is better: a small validation split
    soon has no more wrong answers to distinguish epochs by.
    """

    monitor: str
    numbers: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = -1
    best_weights: Arrays = ()
    seconds: float = 0.0
    open_seconds: float = 0.0
    """Of the epoch that is half done."""

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.numbers.get("loss", ()))

    def add(self, values: Mapping[str, float]) -> bool:
        """Take an epoch's numbers; True when it is the best so far."""
        for name, value in values.items():
            self.numbers.setdefault(name, []).append(float(value))
        last = self.monitor == LAST
        if not last and self.best_epoch >= 0 and self._merit(-1) <= self._merit(self.best_epoch):
            return False
        self.best_epoch = self.epochs - 1
        return True

    def _merit(self, epoch: int) -> tuple[float, float]:
        value = self.numbers[self.monitor][epoch]
        loss = self.numbers["val_loss"][epoch]
        return (-value if self.monitor.endswith("loss") else value, -loss)

    def stale(self, patience: int | None) -> bool:
        """Whether the best epoch is `patience` epochs ago."""
        return patience is not None and self.epochs - 1 - self.best_epoch >= patience > 0


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the rest of a training depends on.

    `settings` is what decided the training until here (network, data, config, seed), as JSON;
    `epoch` and `batch` are the next to come.
    """

    settings: Mapping[str, Any]
    epoch: int
    batch: int
    history: TrainingHistory
    model: Arrays
    optimizer: Arrays
    metrics: Arrays

    def write(self, path: Path) -> None:
        """Replace `path`. Raises InputError when it cannot be written; the old one stays."""
        record = {
            "settings": self.settings,
            "epoch": self.epoch,
            "batch": self.batch,
            "monitor": self.history.monitor,
            "history": self.history.numbers,
            "best_epoch": self.history.best_epoch,
            "seconds": self.history.seconds,
            "open_seconds": self.history.open_seconds,
        }
        groups = {
            "model": self.model,
            "optimizer": self.optimizer,
            "metrics": self.metrics,
            "best": self.history.best_weights,
        }
        arrays: dict[str, Any] = {
            f"{group}/{index}": array
            for group, members in groups.items()
            for index, array in enumerate(members)
        }
        with atomic_path(path) as temporary:
            np.savez(temporary, record=np.asarray(json.dumps(record)), **arrays)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Raises InputError for a file that is damaged or something else."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                record = json.loads(str(stored["record"]))
                groups = {
                    group: [
                        stored[f"{group}/{index}"]
                        for index in range(sum(n.startswith(f"{group}/") for n in stored.files))
                    ]
                    for group in ("model", "optimizer", "metrics", "best")
                }
            return cls(
                record["settings"],
                record["epoch"],
                record["batch"],
                TrainingHistory(
                    record["monitor"],
                    record["history"],
                    record["best_epoch"],
                    groups["best"],
                    record["seconds"],
                    record.get("open_seconds", 0.0),  # checkpoints of older versions have none
                ),
                groups["model"],
                groups["optimizer"],
                groups["metrics"],
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: not a whole checkpoint ({type(error).__name__})",
                hint="pass --restart to start over",
            ) from error

    def check(self, settings: Mapping[str, Any], path: Path) -> None:
        """Raise InputError, naming what differs, when these settings are not those of the file."""
        differing = [
            f"{name} {_said(self.settings.get(name))} → {_said(settings.get(name))}"
            for name in sorted({*self.settings, *settings})
            if self.settings.get(name) != settings.get(name)
        ]
        if differing:
            raise InputError(
                f"{path} is of a training with other settings: {'; '.join(differing)}",
                hint="use the same settings as before to resume, or pass --restart to start over",
            )


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}…"
