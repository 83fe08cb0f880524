"""Choosing by name without importing."""

from __future__ import annotations

import sys

import pytest

from edgecnn.errors import InputError, MissingDependencyError
from edgecnn.registry import RUNTIMES, Registry, require


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known():
    with pytest.raises(InputError, match="unknown runtime 'onxruntime'") as failure:
        RUNTIMES.load("onxruntime")
    assert "did you mean 'onnxruntime'?" in failure.value.hint
    assert "litert" in failure.value.hint


def test_listing_names_imports_nothing():
    table = Registry("thing", "edgecnn.nothing", {"a": "no.such.module:attribute"})
    assert table.names() == ("a",)
    assert "no" not in sys.modules


@pytest.mark.usefixtures("misbehaving_runtime")
def test_an_entry_point_adds_a_name():
    assert "misbehaving" in RUNTIMES.names()
    assert RUNTIMES.load("misbehaving").name == "misbehaving"


def test_a_missing_package_names_the_extra_that_brings_it():
    with pytest.raises(MissingDependencyError, match="nosuchpackage is not installed") as failure:
        require("nosuchpackage.module", "openvino")
    assert failure.value.hint == "pip install 'edgecnn[openvino]'"
    assert failure.value.exit_code == 3


def test_a_package_that_is_there_but_broken_speaks_for_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import nosuchdependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nosuchdependency"):
        require("broken_package", "x")
