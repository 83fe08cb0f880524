"""What a search may choose from: declared beside each network, changed from a file or by --set."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.registry import DETECTORS, MODELS
from edgecnn.search.parameter import parameter
from edgecnn.search.space import (
    SearchSpace,
    network_parameters,
    network_space,
    read_changes,
    space_for,
)
from edgecnn.training.config import NOT_FOR_DETECTORS, config_for
from edgecnn.training.space import config_changes, config_space

OWN = [name for name in MODELS.names() if MODELS.builtin.get(name)]


@pytest.fixture
def space(digits):
    def made(*changes: str, model: str = "lenet5", file: Path | None = None):
        return space_for(model, digits, file=file, changes=changes)

    return made


@pytest.mark.parametrize("name", OWN)
def test_every_network_has_a_space_whose_first_trial_is_the_paper(name: str):
    declared = network_space(name)
    defaults = inspect.signature(MODELS.load(name)).parameters
    assert declared
    for key, values in declared.items():
        assert key in network_parameters(name)
        assert parameter(key, values).first == defaults[key].default


@pytest.mark.parametrize("name", [*OWN, *DETECTORS.names()])
def test_the_first_trial_trains_with_the_networks_own_recipe(name: str):
    first = {key: values["first"] for key, values in config_space(name).items()}
    assert config_for(name, **config_changes(name, first)) == config_for(name)


def test_a_space_draws_what_the_network_the_recipe_and_the_input_take(space):
    found = space("width=0.5", "optimizer=sgd", "input_size=32").drawn({"kernel": 3, "rate": 2.0})
    assert found.network == {"width": 0.5, "kernel": 3, "pooling": "average",
                             "activation": "tanh", "dropout": 0.0}  # fmt: skip
    assert found.input_size == 32
    assert found.training["optimizer"] == "sgd"
    assert found.training["learning_rate"] == pytest.approx(2 * 25 * 2e-3)


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "cnn1d", "googlenet"])
def test_a_variation_keeps_most_of_the_first_trial_and_stays_in_the_space(name: str):
    parameters = tuple(parameter(key, values) for key, values in
                       {**network_space(name), **config_space(name)}.items())  # fmt: skip
    space = SearchSpace(name, parameters)
    first, distributions = space.first(), space.distributions()
    drawn = [space.variation(np.random.default_rng(seed)) for seed in range(200)]
    for values in drawn:
        assert values.keys() == first.keys()
        for key, value in values.items():
            assert distributions[key]._contains(distributions[key].to_internal_repr(value)), key
            assert type(value) is type(first[key]) or isinstance(value, (int, float)), key
    changed = [sum(values[key] != first[key] for key in first) for values in drawn]
    assert 0.15 * len(first) < np.mean(changed) < 0.45 * len(first)
    assert all(any(values[key] != first[key] for values in drawn) for key in first)


@pytest.mark.parametrize("name", DETECTORS.names())
def test_a_detector_is_searched_at_sides_that_it_takes(digits, name: str):
    found = {each.name: each for each in space_for(name, digits).parameters}
    sides = found["input_size"].choices
    assert len(sides) == 3
    assert all(side % 64 == 0 for side in sides)


@pytest.mark.parametrize("sides", ["288,384", "200", "192..384", "100..200:64"])
def test_a_side_that_a_detector_does_not_take_is_refused(space, sides: str):
    with pytest.raises(InputError, match="multiples of 64, received input_size"):
        space(f"input_size={sides}", model="detector_nano")
    assert space("input_size=192..384:64", model="detector_nano")


@pytest.mark.parametrize("field", NOT_FOR_DETECTORS)
def test_what_a_detectors_training_makes_no_use_of_is_not_searched(space, field: str):
    assert field not in {each.name for each in space(model="detector_nano").parameters}
    with pytest.raises(InputError, match="unknown parameter of the space"):
        space(f"{field}=0.1", model="detector_nano")


def test_a_rate_of_the_users_own_is_taken_as_it_is(space):
    found = space("learning_rate=1e-4..1e-2:log")
    assert "rate" not in {each.name for each in found.parameters}
    assert found.drawn({"learning_rate": 0.003}).training["learning_rate"] == 0.003


def test_a_narrowed_range_moves_the_first_trial_into_it(space):
    changes = ("width=0.25..0.5", "kernel=3", "label_smoothing=0.2,0.1")
    found = {each.name: each for each in space(*changes).parameters}
    assert found["width"].first == 0.5
    assert found["label_smoothing"].first == 0.1  # nearest to the recipe's 0
    assert found["kernel"].fixed


def test_a_file_changes_single_parameters_and_set_goes_last(space, tmp_path: Path):
    file = tmp_path / "space.toml"
    file.write_text("[width]\nlow = 0.5\nhigh = 1.5\nstep = 0.5\n[dropout]\nfixed = 0.2\n")
    found = {each.name: each for each in space("dropout=0.1,0.3", file=file).parameters}
    assert (found["width"].low, found["width"].high, found["width"].step) == (0.5, 1.5, 0.5)
    assert found["dropout"].choices == (0.1, 0.3)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1..8:2", {"low": 1, "high": 8, "step": 2}),
        ("a=1e-4..1e-2:log", {"low": 1e-4, "high": 1e-2, "log": True}),
        ("a=.5..2", {"low": 0.5, "high": 2}),
        ("a=-1..1", {"low": -1, "high": 1}),
        ("a=3,5", {"choices": [3, 5]}),
        ("a=max", {"fixed": "max"}),
        ("a = true", {"fixed": True}),
        ("a=null", {"fixed": None}),
    ],
)
def test_set_reads_ranges_choices_and_values(text: str, values):
    assert read_changes([text]) == {"a": values}


def test_a_step_that_does_not_reach_the_end_lowers_it():
    found = parameter("a", {"low": 1, "high": 8, "step": 3, "first": 8})
    assert (found.low, found.high, found.first, found.whole) == (1, 7, 7, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["widht=0.5..1"], "unknown parameter of the space 'widht'"),
        (["width"], "--set takes name=values"),
        (["width="], "--set takes name=values"),
        (["=3"], "--set takes name=values"),
        (["width=1..0.25"], "no number lies between 1 and 0.25"),
        (["width=0..1:log"], "begins above 0"),
        (["width=0.25..1:-1"], "a step is above 0"),
        (["width=nan..1"], "not of the kind"),
        (["width=wide"], "not of the kind"),
        (["kernel=3.5,5"], "not of the kind"),
        (["pooling=3"], "not of the kind"),
        (["optimizer=adam,lion"], "optimizer is one of"),
        (["rate=-1..1"], "above 0"),
        (["batch_size=0..4"], "at least 1"),
        (["epochs=3"], "unknown parameter"),
        (["num_classes=3"], "unknown parameter"),
    ],
)
def test_what_makes_no_sense_is_refused(space, changes, said: str):
    with pytest.raises(InputError, match=said):
        space(*changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[width]\n", "expected choices, fixed, or low with high, received: first"),
        ("[width]\nlow = 1\n", "low with high"),
        ("[width]\nchoices = []\n", "not empty"),
        ("[width]\nchoices = [[1]]\n", "a value is a number"),
        ("[width]\nlow = 1\nhigh = 2\nfixed = 3\n", "expected choices, fixed"),
        ("[width]\nlow = 1\nhight = 2\n", "unknown key of width"),
        ("[width]\nlow = 'a'\nhigh = 'b'\n", "are numbers"),
        ("width = 3\n", "width is not a table"),
        ("[width\n", "not valid TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(space, tmp_path: Path, text: str, said: str):
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        space(file=file)


def test_a_space_without_a_choice_is_refused(space):
    whole = [f"{each.name}={each.first}" for each in space().parameters]
    with pytest.raises(InputError, match="the space is empty"):
        space(*whole)


def test_a_network_that_answers_with_sequences_is_not_searched(digits):
    with pytest.raises(InputError, match="for classifiers and detectors"):
        space_for("convs2s", digits)
