"""The folder of an optimization: what stays in it when it is started over."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import InputError
from edgecnn.optimization.folder import ANSWERS_FOLDER, RESULTS_FILE, claim_folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    answer = tmp_path / ANSWERS_FOLDER / "search" / "0123" / "measurement.json"
    answer.parent.mkdir(parents=True)
    answer.write_text("{}")
    (tmp_path / RESULTS_FILE).write_text("{}")
    return tmp_path


def test_starting_over_forgets_every_answer(out: Path):
    claim_folder(out, {"seed": 1}, force=True)
    assert not (out / ANSWERS_FOLDER).exists()
    assert not (out / RESULTS_FILE).exists()


def test_the_same_again_keeps_them(out: Path):
    claim_folder(out, {"seed": 1}, force=False)
    assert list((out / ANSWERS_FOLDER).rglob("*.json"))


def test_answers_that_cannot_be_removed_are_an_error(out: Path):
    real = out / "elsewhere"
    (out / ANSWERS_FOLDER).rename(real)
    (out / ANSWERS_FOLDER).symlink_to(real)  # what a link leads to is not ours to remove
    with pytest.raises(InputError, match="cannot remove"):
        claim_folder(out, {"seed": 1}, force=True)
    assert list(real.rglob("*.json"))
