"""A format and a runtime of a stranger: one file in each of two rooms, two entry points."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import edgecnn
from edgecnn.benchmarking.benchmark import benchmark
from edgecnn.benchmarking.protocol import resolve
from edgecnn.conversion.embedding import embed_manifest
from edgecnn.conversion.verification.verify import load_session
from edgecnn.embedded_manifest import load_artifact, read_embedded
from edgecnn.errors import InputError
from edgecnn.formats.check import check_model_path, model_files
from edgecnn.formats.kinds import all_formats, known_suffixes
from edgecnn.manifest import Manifest
from edgecnn.registry import FORMATS

PROJECT = Path(__file__).parents[3]
PACKAGE = PROJECT / "tests" / "plugins" / "toy"


@pytest.fixture
def toy(plug_in, tmp_path: Path) -> Path:
    """y = x · W for W (2, 3), in two files."""
    plug_in("toy")
    np.arange(6, dtype=np.float32).tofile(tmp_path / "net.weights")
    path = tmp_path / "net.toy"
    path.write_bytes(b"TOY1" + json.dumps({"weights": "net.weights", "shape": [2, 3]}).encode())
    return path


def test_the_registry_knows_it_and_edgecnns_own(toy: Path):
    assert [each.name for each in all_formats()] == [*FORMATS.builtin, "toy"]
    assert ".toy" in known_suffixes()


def test_it_runs_and_is_judged_by_its_own_runtime(toy: Path):
    session = edgecnn.load(toy, runtime="toy:cpu")
    (answer,) = session.run([np.array([[1, 1]], np.float32)])
    np.testing.assert_array_equal(answer, [[3, 5, 7]])
    assert type(load_session(toy)) is type(session)


def test_its_row_stands_in_the_results(toy: Path):
    protocol = resolve("quick", min_secs=0.05, min_runs=5, max_secs=0.5, processes=1)
    (row,) = benchmark([toy], ["toy:cpu"], protocol=protocol, passes=()).measurements
    assert (row.status, row.artifact.format, row.artifact.recipe) == ("ok", "toy", "float32")


def test_digest_and_size_are_of_all_its_files(toy: Path):
    before = load_artifact(toy)
    assert before.files == model_files(toy) == (toy, toy.with_name("net.weights"))
    assert before.size_bytes == toy.stat().st_size + 24
    np.ones(6, np.float32).tofile(toy.with_name("net.weights"))
    assert load_artifact(toy).sha256 != before.sha256


def test_its_files_are_checked_like_any_others(toy: Path):
    toy.with_name("net.weights").write_bytes(b"short")
    with pytest.raises(InputError, match=r"are bytes 0 to 24 of net\.weights, which has 5"):
        check_model_path(toy)
    toy.write_bytes(b"TOY1[]")
    with pytest.raises(InputError, match=r"net\.toy: not a complete toy model \(it names no"):
        check_model_path(toy)
    toy.write_bytes(b"TOY1" + json.dumps({"weights": "/etc/passwd", "shape": [1, 1]}).encode())
    with pytest.raises(InputError, match="outside its own folder"):
        check_model_path(toy)


def test_it_is_recognized_by_what_it_holds(toy: Path):
    other = toy.rename(toy.with_name("net.onnx"))
    with pytest.raises(InputError, match=r"net\.onnx is a toy model by its content") as caught:
        check_model_path(other)
    assert caught.value.hint == "rename it: mv net.onnx net.toy"


def test_a_manifest_lies_inside(toy: Path):
    manifest = Manifest(task="classification", model="toy", labels=("a", "b", "c"))
    assert embed_manifest(toy, manifest)
    assert read_embedded(toy) == manifest


def test_a_runtime_with_a_format_of_its_own_is_two_files_and_two_lines():
    """CONTRIBUTING promises so; counted on the package that the tests above run."""
    points = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert points.keys() == {"edgecnn.formats", "edgecnn.runtimes"}
    assert [len(lines) for lines in points.values()] == [1, 1]
    modules = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(path.name for path in modules) == ["format.py", "runtime.py"]
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "one file in each of two packages and two registry lines" in " ".join(text.split())


def test_contributing_names_places_that_are_there():
    """Each registry has its line under "Adding …", and each path in it leads somewhere."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    adding = text.partition("## Adding …")[2].partition("\n## ")[0]
    paths = re.findall(r"`((?:edgecnn|tests)/[\w/.]+)`", adding)
    assert paths
    there = [PROJECT / path for path in paths if "NAME" not in path]
    there += [(PROJECT / path).parent for path in paths if "NAME" in path]  # the room of a new file
    assert [place for place in there if not place.exists()] == []
    for group in ("formats", "runtimes", "models", "data"):
        assert f"`edgecnn.{group}`" in adding
