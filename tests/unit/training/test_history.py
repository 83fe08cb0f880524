"""Which epoch of a training is kept, and when it has gone on for too long."""

from __future__ import annotations

import pytest

from edgecnn.training.checkpoint import TrainingHistory


def history_of(monitor, *epochs):
    """The history of epochs (validation accuracy, validation loss)."""
    made = TrainingHistory(monitor)
    for accuracy, loss in epochs:
        made.add({"loss": loss, "val_accuracy": accuracy, "val_loss": loss})
    return made


@pytest.mark.parametrize(("monitor", "best"), [("val_accuracy", 1), ("val_loss", 2)])
def test_the_monitored_value_decides(monitor, best):
    assert history_of(monitor, (0.5, 0.9), (0.8, 0.5), (0.7, 0.4)).best_epoch == best


def test_among_equal_accuracies_the_lower_loss_is_better():
    assert history_of("val_accuracy", (1.0, 0.2), (1.0, 0.1), (1.0, 0.15)).best_epoch == 1


def test_an_equal_epoch_does_not_replace_the_best():
    assert history_of("val_accuracy", (1.0, 0.2), (1.0, 0.2)).best_epoch == 0


def test_it_is_stale_when_the_best_is_patience_epochs_ago():
    waiting = history_of("val_loss", (0.5, 0.1), (0.5, 0.2))

    assert waiting.stale(1)
    assert not waiting.stale(2)
    assert not waiting.stale(None)
