"""Names that have changed work for one more release, and say so."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from edgecnn.deprecation import old_arguments, old_attribute
from edgecnn.moved import MOVED

OLD_NAMES = (
    ("edgecnn.data.boxes.reading", "Choice", "ChosenClasses"),
    ("edgecnn.data.boxes.reading", "Reading", "ReadAnnotations"),
    ("edgecnn.data.sources.pairs", "Pair", "SentencePair"),
    ("edgecnn.evaluation.detection", "Truth", "GroundTruth"),
    ("edgecnn.explanation.network", "Layer", "MapLayer"),
    ("edgecnn.explanation.network", "Recording", "RecordedPass"),
    ("edgecnn.feeding", "Choice", "ChosenPreprocessing"),
    ("edgecnn.formats.layers", "Layer", "FileLayer"),
    ("edgecnn.models.summary", "Layer", "LayerSummary"),
    ("edgecnn.models.summary", "Summary", "ModelSummary"),
    ("edgecnn.optimization.optimize", "Settings", "OptimizationSettings"),
    ("edgecnn.optimization.outcome", "Outcome", "OptimizationOutcome"),
    ("edgecnn.pipeline", "Settings", "PipelineSettings"),
    ("edgecnn.preprocessing", "GREY_WEIGHTS", "GRAY_WEIGHTS"),
    ("edgecnn.preprocessing.placement", "Placement", "ImagePlacement"),
    ("edgecnn.reporting", "PICTURE", "CHART"),
    ("edgecnn.analysis.answer", "Choice", "BestRow"),
    ("edgecnn.analysis.compare", "Change", "RowChange"),
    ("edgecnn.analysis.compare", "Outcome", "ChangeOutcome"),
    ("edgecnn.analysis.gate", "Baseline", "GateBaseline"),
    ("edgecnn.analysis.gate", "Gate", "RegressionGate"),
    ("edgecnn.analysis.gate", "Outcome", "GateOutcome"),
    ("edgecnn.analysis.row", "Contention", "ContendedLatency"),
    ("edgecnn.analysis.row", "Cost", "InferenceCost"),
    ("edgecnn.analysis.row", "Steps", "SequenceSteps"),
    ("edgecnn.reporting.text", "clean", "edgecnn.text:clean"),
    ("edgecnn.reporting.text", "csv_cell", "edgecnn.escaping:csv_cell"),
    ("edgecnn.reporting.text", "shorten", "edgecnn.text:shortened"),
    ("edgecnn.results.results", "LeftOut", "UnreadRow"),
    ("edgecnn.search.outcome", "Outcome", "SearchOutcome"),
    ("edgecnn.search.settings", "Settings", "SearchSettings"),
    ("edgecnn.selection", "Limits", "Constraints"),
    ("edgecnn.sequences.search", "Step", "StepFunction"),
    ("edgecnn.statistics.change_points", "Change", "ChangePoint"),
    ("edgecnn.store.sql.reading", "Wanted", "MeasurementFilter"),
    ("edgecnn.training.augmentation.images", "Images", "ImageAugmentation"),
    ("edgecnn.training.augmentation.signals", "Signals", "SignalAugmentation"),
    ("edgecnn.training.augmentation.volumes", "Volumes", "VolumeAugmentation"),
    ("edgecnn.training.recipe", "TrainingRecipe", "edgecnn.training.config:TrainingConfig"),
    ("edgecnn.training.recipe", "recipe_for", "edgecnn.training.config:config_for"),
    ("edgecnn.vision.pipeline.detecting", "Choice", "DetectorSpec"),
    ("edgecnn.vision.overlay", "Hud", "StatusPanel"),
    ("edgecnn.vision.tracking", "Change", "TrackChange"),
)


@pytest.mark.parametrize(("module", "old", "new"), OLD_NAMES)
def test_an_old_name_warns_and_is_the_new_thing(module: str, old: str, new: str):
    place, _, name = new.rpartition(":")
    with pytest.warns(DeprecationWarning, match=rf"{old} is now .*{name}"):
        found = getattr(importlib.import_module(module), old)
    assert found is getattr(importlib.import_module(place or module), name)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_moved_module_is_found_by_its_old_name(monkeypatch, old: str, new: str):
    monkeypatch.delitem(sys.modules, f"edgecnn.{old}", raising=False)
    there = importlib.import_module(f"edgecnn.{new}")
    with pytest.warns(DeprecationWarning, match=rf"edgecnn\.{old} is now edgecnn\.{new}$"):
        assert importlib.import_module(f"edgecnn.{old}") is there
    assert there.__spec__.name == there.__name__ == f"edgecnn.{new}"


def test_finding_old_names_costs_a_start_nothing():
    words = (
        "import sys; before = set(sys.modules); import edgecnn; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert "edgecnn.moved" in done.stdout.split()
    assert not {"importlib.abc", "importlib.resources", "tempfile"} & set(done.stdout.split())


def test_a_module_that_never_was_is_an_import_error():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'edgecnn\.benchmarks'"):
        importlib.import_module("edgecnn.benchmarks")


def test_a_name_that_never_was_is_an_attribute_error():
    module = importlib.import_module("edgecnn.preprocessing")
    with pytest.raises(AttributeError, match="no attribute 'GRAY_WAITS'"):
        _ = module.GRAY_WAITS


def test_a_plugged_in_head_may_have_the_old_name_of_a_method():
    from edgecnn.detection.heads.base import Head

    with pytest.warns(DeprecationWarning, match=r"Old\.arranged is now ordered"):

        class Old(Head):
            def arranged(self, outputs, height, width):
                return [outputs, height, width]

    assert Old.ordered is Old.arranged
    assert "ordered" not in Old.__abstractmethods__


def test_arguments_and_attributes_by_their_old_names_warn():
    class Sample:
        image = 7
        picture = old_attribute("picture", "image")

    @old_arguments(picture="image")
    def side(image: int, *, times: int = 1) -> int:
        return times * image

    with pytest.warns(DeprecationWarning, match="argument `picture` is now `image`"):
        assert side(picture=3, times=2) == 6
    assert side(image=3) == side(3) == 3
    with pytest.warns(DeprecationWarning, match=r"Sample\.picture is now image"):
        assert Sample().picture == 7
    with pytest.raises(TypeError):
        side(photo=3)


@pytest.mark.parametrize(
    ("module", "kind", "old", "new"),
    [
        ("edgecnn.data.base", "Split", "truth", "ground_truth"),
        ("edgecnn.data.boxes.base", "BoxedImage", "picture", "image"),
        ("edgecnn.evaluation.detection", "DetectionScores", "pictures", "images"),
        ("edgecnn.explanation.explain", "Explanation", "picture", "image"),
        ("edgecnn.explanation.explain", "Explanation", "picture_name", "image_name"),
    ],
)
def test_old_attributes_lead_to_some_that_exist(module: str, kind: str, old: str, new: str):
    owner = getattr(importlib.import_module(module), kind)
    assert isinstance(vars(owner)[old], property)
    assert hasattr(owner, new) or new in owner.__dataclass_fields__
