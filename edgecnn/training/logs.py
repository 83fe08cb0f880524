"""Logs of a training: metrics by epoch, tables and images of its test.

| file | |
|---|---|
| log.csv | an epoch a line: losses, accuracies, learning rate, seconds |
| tensorboard/ | the same for TensorBoard (with Keras on TensorFlow) |
| learning_curve.png | losses and accuracies by epoch |
| confusion.csv, confusion.png | test samples by label (row) and answer (column) |
| per_class.csv | precision, recall, F1 and number of test samples of each class |
| samples.csv | answers to a few validation samples behind each epoch, for sequences |
| attention.png | where the answer to a test sample looked at its source, for sequences |
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.evaluation.classification import confusion_matrix, per_class
from edgecnn.files import atomic_path, write_text_atomically
from edgecnn.keras_files import import_keras
from edgecnn.training.charts import attention_chart, confusion_chart, learning_curve
from edgecnn.training.checkpoint import TrainingHistory


class LogWarning(UserWarning):
    """Something that a training usually leaves is not written here."""


class TrainingLog:
    """Writes into one folder. Tables are written whole, so a resumed training has no double lines;
    TensorBoard's events are appended, and hold an epoch that was trained again twice.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events: Any = None
        backend = import_keras().backend.backend()
        self._with_events = backend == "tensorflow"
        if not self._with_events:
            warnings.warn(
                f"no events for TensorBoard: they need Keras on tensorflow, it runs on {backend}; "
                "log.csv holds the same numbers",
                LogWarning,
                stacklevel=3,
            )

    def after_epoch(self, history: TrainingHistory) -> None:
        """log.csv with all epochs so far, and the last one for TensorBoard."""
        names = list(history.numbers)
        rows = zip(*history.numbers.values(), strict=True)
        numbered = ([epoch + 1, *row] for epoch, row in enumerate(rows))
        _write_csv(self._folder / "log.csv", ["epoch", *names], numbered)
        if self._with_events:
            self._write_events(history)

    def curves(self, history: TrainingHistory) -> None:
        """learning_curve.png of all epochs."""
        _write_bytes(
            self._folder / "learning_curve.png", learning_curve(history.numbers, history.best_epoch)
        )

    def classes(
        self, outputs: npt.NDArray[Any], ground_truth: npt.NDArray[np.int64], labels: Sequence[str]
    ) -> None:
        """Tables and an image; `outputs` are the test split's (n, classes), `ground_truth` (n,)."""
        counts = confusion_matrix(outputs, ground_truth)
        _write_csv(
            self._folder / "confusion.csv",
            ["label", *labels],
            ([label, *row] for label, row in zip(labels, counts.tolist(), strict=True)),
        )
        _write_csv(
            self._folder / "per_class.csv",
            ["label", "precision", "recall", "f1", "n"],
            (
                [label, _share(row.precision), _share(row.recall), _share(row.f1), row.n]
                for label, row in zip(labels, per_class(counts), strict=True)
            ),
        )
        _write_bytes(self._folder / "confusion.png", confusion_chart(counts, labels))

    def samples(self, epoch: int, rows: Iterable[tuple[str, str, str]]) -> None:
        """samples.csv with (source, target, answer) of some samples behind each epoch so far.

        Rows of later epochs, which a resumed training makes once more, are replaced.
        """
        path = self._folder / "samples.csv"
        header = ["epoch", "source", "target", "answer"]
        kept: list[list[str]] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                kept = [
                    row
                    for row in csv.reader(file)
                    if len(row) == len(header) and row[0].isdecimal() and int(row[0]) < epoch
                ]
        _write_csv(path, header, [*kept, *([str(epoch), *row] for row in rows)])

    def attention(
        self, weights: npt.NDArray[Any], rows: Sequence[str], columns: Sequence[str]
    ) -> None:
        """attention.png of one sample: (rows of the answer, columns of the source)."""
        _write_bytes(self._folder / "attention.png", attention_chart(weights, rows, columns))

    def _write_events(self, history: TrainingHistory) -> None:
        """Scalars as TensorBoard reads them; tf.summary.scalar wants TensorBoard installed."""
        import tensorflow as tf

        scalar = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR"
        )
        if self._events is None:
            if history.epochs == 1:
                self._remove_events()
            self._events = tf.summary.create_file_writer(str(self._folder / "tensorboard"))
        with self._events.as_default():
            for name, values in history.numbers.items():
                value = tf.constant(values[-1], tf.float32)
                tf.summary.write(name, value, step=history.epochs, metadata=scalar)
        self._events.flush()

    def _remove_events(self) -> None:
        """Those of a training that was here before: this one begins with its first epoch."""
        for path in (self._folder / "tensorboard").glob("events.out.tfevents.*"):
            path.unlink()


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text_atomically(path, text.getvalue())


def _write_bytes(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
