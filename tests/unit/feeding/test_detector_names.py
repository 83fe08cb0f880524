"""What the classes of a detector are called, in the order of its outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.feeding.detectors import manifest_names
from edgecnn.manifest import Artifact, Manifest
from edgecnn.postprocessing import Postprocessing


@pytest.mark.parametrize(
    ("labels", "class_names", "names"),
    [
        (("stop sign", "yield"), ("yield", "stop sign"), ("yield", "stop sign")),
        (("stop sign",), ("yield", "stop sign"), ("yield", "stop sign")),
        (("stop sign", "yield"), (), ("stop sign", "yield")),
        (("stop sign",), (), ()),
        (("stop sign",), ("stop sign",), ()),
    ],
)
def test_the_names_of_the_outputs_come_before_what_the_data_were_asked_for(
    labels, class_names, names
):
    manifest = Manifest(labels=labels, postprocessing=Postprocessing("heat_map", class_names))
    artifact = Artifact(Path("mine.tflite"), manifest, "0" * 64, 1)
    assert manifest_names(artifact) == names
