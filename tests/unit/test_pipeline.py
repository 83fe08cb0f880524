"""What a run in one command finds in its folder, and what `force` takes out of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecnn.errors import InputError
from edgecnn.manifest import Manifest, sidecar_path, write_manifest
from edgecnn.pipeline import REPORTS, PipelineSettings, run

OF_A_RUN = (
    "lenet5.keras",
    "lenet5.keras.manifest.json",
    "lenet5.training/checkpoint.npz",
    "results.json",
    "answer.json",
    "shipped/lenet5/bundle.json",
)


def interrupted(*_arguments: object, **_options: object) -> Any:
    """Ctrl-C while the data are read: what happens before has happened."""
    raise KeyboardInterrupt


def begin(settings: PipelineSettings, out: Path, *, force: bool = False) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(settings, out, force=force, load=interrupted)


def converted(path: Path, parent: str) -> Path:
    """A file of ours, in two parts: what it computes does not matter here."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("7767517\n2 2\nInput in 0 1 x 0=4\nReLU relu 1 1 x y\n")
    path.with_suffix(".bin").write_bytes(b"")
    write_manifest(path, Manifest(model=parent, conversion={"parent": {"name": parent}}))
    return path


def files(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a run of lenet5."""
    begin(PipelineSettings(epochs=50), tmp_path)
    converted(tmp_path / "artifacts" / "lenet5_float32.ncnn.param", "lenet5")
    for name in (*OF_A_RUN, *REPORTS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    return tmp_path


@pytest.mark.parametrize("model", ["lenet5", "resnet8"])
def test_force_leaves_nothing_of_the_run_before(finished: Path, model: str):
    begin(PipelineSettings(model=model, epochs=3), finished, force=True)
    assert files(finished) == {"run.json"}
    settings = json.loads((finished / "run.json").read_text())
    assert (settings["model"], settings["epochs"]) == (model, 3)


def test_without_force_a_run_stays_as_it_is(finished: Path):
    before = files(finished)
    begin(PipelineSettings(epochs=50), finished)
    with pytest.raises(InputError, match=r"other settings .*epochs"):
        run(PipelineSettings(epochs=3), finished, load=interrupted)
    assert files(finished) == before


def mine(finished: Path) -> Path:
    path = finished / "artifacts" / "mine.onnx"
    path.write_bytes(b"no manifest beside it")
    return path


def of_another_model(finished: Path) -> Path:
    return converted(finished / "artifacts" / "yolo_float32.ncnn.param", "yolo")


def changed(finished: Path) -> Path:
    path = finished / "artifacts" / "lenet5_float32.ncnn.param"
    path.write_text(path.read_text().replace("relu", "by_hand"))
    return path


def no_bundle(finished: Path) -> Path:
    (finished / "shipped" / "lenet5" / "bundle.json").unlink()
    path = finished / "shipped" / "notes.txt"
    path.write_text("mine")
    return path


def of_the_file(path: Path) -> list[Path]:
    """It, its further file and its manifest, as far as it has them."""
    return [each for each in (path, path.with_suffix(".bin"), sidecar_path(path)) if each.exists()]


@pytest.mark.parametrize("write", [mine, of_another_model, changed, no_bundle])
def test_force_keeps_what_no_run_made(finished: Path, write: Callable[[Path], Path]):
    path = write(finished)
    begin(PipelineSettings(), finished, force=True)
    assert path.is_file()
    own = {"run.json", *(str(path.relative_to(finished)) for path in of_the_file(path))}
    assert files(finished) == own


def test_force_starts_over_where_the_settings_are_damaged(finished: Path):
    (finished / "run.json").write_text("{")
    begin(PipelineSettings(), finished, force=True)
    assert files(finished) == {"run.json"}
