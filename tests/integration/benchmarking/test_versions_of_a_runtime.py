"""A plug-in runtime in 16 versions, served from a folder: environments, one table, bisection."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from edgecnn import registry
from edgecnn.benchmarking.environments import isolated as environments
from edgecnn.cli import invoke
from edgecnn.results import Results

FIRST_BAD = 9
# Waits until a moment of the clock, so that how busy the machine is hardly changes its speed.
SOURCE = """
import time
import numpy as np
from edgecnn.manifest import TensorSpec
from edgecnn.results import Effective
from edgecnn.runtimes.base import Availability, Runtime, Session

VERSION, SECS, BROKEN = {version!r}, {secs!r}, {broken!r}

class PlantedSession(Session):
    inputs = (TensorSpec("input", (None, 4), "float32", "NC"),)
    outputs = (TensorSpec("output", (None, 2), "float32", "NC"),)
    effective = Effective("planted", "float32", "cpu", 1.0, runtime_version="planted " + VERSION)

    def bind(self, tensors):
        (values,) = tensors

        def invoke():
            end = time.perf_counter() + SECS
            total = values.sum(axis=1)
            outputs = np.stack([total, -total], axis=1).astype(np.float32)
            while time.perf_counter() < end:
                pass
            return [outputs]

        return invoke

class Planted(Runtime):
    name = "planted"
    formats = ("tflite",)
    devices = ("cpu",)
    extra = "none"

    @classmethod
    def probe(cls, device):
        return Availability(True, version=VERSION, device_name=device)

    @classmethod
    def load(cls, path, device, options):
        if BROKEN:
            raise RuntimeError("this version is broken")
        return PlantedSession()
"""


def wheel(folder: Path, version: str, *, secs: float, broken: bool = False) -> Path:
    """A wheel of the plug-in, as a build tool would write it."""
    path = folder / f"edgecnn_planted-{version}-py3-none-any.whl"
    information = f"edgecnn_planted-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        source = SOURCE.format(version=version, secs=secs, broken=broken)
        archive.writestr("planted_runtime.py", source)
        archive.writestr(
            f"{information}/METADATA",
            f"Metadata-Version: 2.1\nName: edgecnn-planted\nVersion: {version}\n",
        )
        archive.writestr(
            f"{information}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            f"{information}/entry_points.txt",
            "[edgecnn.runtimes]\nplanted = planted_runtime:Planted\n",
        )
        archive.writestr(f"{information}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A folder of 16 versions, the newest of them installed here; the tenth is broken, too."""
    folder = tmp_path_factory.mktemp("wheels")
    for number in range(16):
        newest = wheel(folder, f"1.{number}.0", secs=0.002, broken=number >= FIRST_BAD)
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(newest).extractall(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PIP_FIND_LINKS", str(folder))
        patch.setenv("EDGECNN_HOME", str(tmp_path_factory.mktemp("home")))
        registry.plugged_in.cache_clear()
        yield folder
    registry.plugged_in.cache_clear()
    sys.modules.pop("planted_runtime", None)


@pytest.fixture
def model(tmp_path):
    from tests.unit.formats.small_models import write_tflite

    return write_tflite(tmp_path / "model.tflite")


@pytest.mark.slow
def test_the_first_broken_version_of_sixteen_is_found_in_five_environments(
    served, model, tmp_path, capsys
):
    out = tmp_path / "versions.json"
    # Speed is no matter here: how busy the machine is must not decide a test.
    typed = ["results", "bisect", str(model), "--runtime", "planted", "--good", "1.0.0", "--bad",
             "1.15.0", "--processes", "4", "--max-slower", "1000%", "--out", str(out)]  # fmt: skip
    assert invoke(typed) == 0
    said = capsys.readouterr()
    assert f"first bad version: planted 1.{FIRST_BAD}.0; " in said.out
    assert "5 environments for 16 versions" in said.out or "4 environments" in said.out
    created = {path.name for path in environments.environments_folder().iterdir()}
    assert len(created) <= 5
    rows = {row.runtime: row for row in Results.load(out).measurements}
    assert set(rows) == created
    for name, row in rows.items():
        if int(name.split(".")[1]) < FIRST_BAD:
            assert row.effective.runtime_version == f"planted {name.partition('==')[2]}"
        else:
            assert "this version is broken" in row.error


@pytest.mark.slow
def test_versions_stand_in_one_table_beside_the_installed_one(served, model, tmp_path, capsys):
    assert invoke(["env", "create", "planted==1.0.*", "--force"]) == 0
    assert "planted==1.0.0 is ready: --runtimes planted==1.0.0:cpu" in capsys.readouterr().out
    out = tmp_path / "both.json"
    typed = ["benchmark", str(model), "--runtimes", "planted==1.0.*:cpu", "--quick", "--out",
             str(out)]  # fmt: skip
    assert invoke(typed) == 0
    (row,) = Results.load(out).measurements
    assert (row.configuration, row.effective.runtime_version) == (
        "planted==1.0.0:cpu",
        "planted 1.0.0",
    )


@pytest.mark.slow
def test_an_environment_that_cannot_be_filled_leaves_nothing(served, capsys):
    before = set(environments.environments_folder().iterdir())
    assert invoke(["env", "create", "planted==9.9.9"]) == 3
    said = capsys.readouterr().err
    assert "could not install edgecnn-planted==9.9.9" in said
    assert set(environments.environments_folder().iterdir()) == before
