"""What a row measured again keeps of the row that it stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.benchmarking import remeasuring
from edgecnn.benchmarking.remeasuring import RemeasuredPair, find_files, judged
from edgecnn.formats.check import digest_of
from edgecnn.results import Results
from tests.unit.formats import test_ncnn
from tests.unit.formats.small_models import write_tflite
from tests.unit.reporting import factory


def test_model_files_of_every_format_are_found(tmp_path):
    ncnn = test_ncnn.write(tmp_path)
    tflite = write_tflite(tmp_path / "net.tflite")
    (tmp_path / "notes.txt").write_text("no model")
    files = find_files([tmp_path], Results(()))
    assert files == {digest_of(path)[0]: path for path in (ncnn, tflite)}


def test_what_does_not_run_any_more_is_named(monkeypatch, tmp_path):
    before = factory.measurement()
    after = factory.measurement(slowdown=2)
    after = replace(after, artifact=replace(after.artifact, sha256="cd"))
    failed = {"runs": (), "status": "failed", "verdict": None, "error": "no memory"}
    files = {before.artifact.sha256: tmp_path / "old", "cd": tmp_path / "new"}
    for rows, why in (
        ((replace(before, **failed), after), "the baseline no longer runs here"),
        ((before, replace(after, **failed)), "the new file no longer runs here"),
    ):
        monkeypatch.setattr(remeasuring, "benchmark", lambda *_, rows=rows, **__: Results(rows))
        pair = remeasuring.remeasure(before, after, files, protocol={})
        assert (pair.before, pair.why) == (None, f"{why}: failed: no memory")


@pytest.mark.parametrize("again", ["VALID", "NOISY"])
def test_noise_does_not_take_back_what_data_showed(again: str):
    seen = factory.measurement(verdict="INVALID", reasons=("outputs contain NaN on real images",))
    row = judged(seen, RemeasuredPair(None, factory.measurement(verdict=again, reasons=())))
    assert row.verdict == "INVALID"
    assert row.reasons == ("outputs contain NaN on real images",)
    assert row.accuracy == seen.accuracy


def test_a_row_that_was_good_has_the_new_verdict():
    row = judged(factory.measurement(), RemeasuredPair(None, factory.measurement(verdict="NOISY")))
    assert row.verdict == "NOISY"
