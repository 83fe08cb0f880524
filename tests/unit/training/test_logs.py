"""What a folder holds is of the training that ran there last."""

from __future__ import annotations

import pytest

from edgecnn.training.checkpoint import TrainingHistory
from edgecnn.training.logs import TrainingLog

pytest.importorskip("tensorflow", reason="tensorflow is not installed")


def log_epochs(folder, *epochs):
    """What a training writes that begins with the first of `epochs`, and how many it has then."""
    log = TrainingLog(folder)
    for epoch in epochs:
        history = TrainingHistory("val_loss")
        for number in range(epoch):
            history.add({"loss": 1.0, "val_loss": 1.0 - number})
        log.after_epoch(history)
    return len(list((folder / "tensorboard").iterdir()))


def test_a_training_that_starts_over_leaves_no_events_of_the_one_before(tmp_path):
    assert log_epochs(tmp_path, 1, 2) == 1
    assert log_epochs(tmp_path, 1) == 1


def test_a_resumed_training_keeps_the_events_of_its_first_epochs(tmp_path):
    assert log_epochs(tmp_path, 1) == 1
    assert log_epochs(tmp_path, 2, 3) == 2
