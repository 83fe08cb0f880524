"""ConvS2S against the paper's formulas, and its step against the network that was trained."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn import models
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.models.convs2s import HIDDEN, parameters, receptive_field
from edgecnn.sequences.graphs import is_sequence_model, parts_of
from edgecnn.sequences.keras_steps import KerasSteps

LENGTH, WORDS = 12, 40
SMALL = {
    "embedding": 8,
    "channels": 12,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "kernel": 3,
}


@pytest.fixture(scope="module")
def network():
    return models.build("convs2s", seed=1, input_shape=(LENGTH,), vocabulary_size=WORDS, **SMALL)


def ids(rng, *lengths):
    rows = np.zeros((len(lengths), LENGTH), np.int32)
    for row, length in zip(rows, lengths, strict=True):
        row[:length] = rng.integers(4, WORDS, length)
    return rows


def scores(network, source, target):
    return np.asarray(network([source, target], training=False))


def test_it_has_as_many_parameters_as_the_equations_count(network):
    assert network.count_params() == parameters(LENGTH, WORDS, **SMALL)


def test_the_default_size_is_the_documented_one():
    network = models.outline("convs2s")

    assert network.count_params() == parameters(64, 4000)
    assert f"{network.count_params():,}" in models.convs2s.build.__doc__


def test_receptive_fields_are_those_of_the_paper(network):
    assert receptive_field(6, 5) == 25  # section 3.2: six blocks of width 5 see 25 inputs
    assert (parts_of(network).reads, parts_of(network).writes) == (5, 7)


def test_a_unit_of_the_encoder_sees_its_field_and_no_more(network):
    encoder = parts_of(network).encoder
    reach = receptive_field(SMALL["encoder_layers"]) // 2
    source = ids(np.random.default_rng(0), LENGTH)
    before = np.asarray(encoder(source)[0])
    source[0, 5] = 4 + (source[0, 5] - 3) % (WORDS - 4)
    after = np.asarray(encoder(source)[0])

    changed = np.flatnonzero(np.abs(after - before)[0].max(axis=-1) > 1e-6)
    assert (changed.min(), changed.max()) == (5 - reach, 5 + reach)


def test_a_position_knows_nothing_of_later_ones(network):
    rng = np.random.default_rng(1)
    source, target = ids(rng, 9), ids(rng, LENGTH)
    before = scores(network, source, target)
    target[0, 7:] = rng.integers(4, WORDS, LENGTH - 7)

    after = scores(network, source, target)
    np.testing.assert_allclose(after[0, :7], before[0, :7], atol=1e-6)
    assert np.abs(after[0, 7:] - before[0, 7:]).max() > 1e-3


def test_padding_changes_nothing(network):
    rng = np.random.default_rng(2)
    source, target = ids(rng, 5), ids(rng, 6)

    short = scores(network, source[:, :5], target[:, :6])
    np.testing.assert_allclose(scores(network, source, target)[:, :6], short, atol=1e-4)
    assert np.exp(HIDDEN) < 1e-6


def test_order_matters(network):
    rng = np.random.default_rng(3)
    source, target = ids(rng, 8), ids(rng, 6)
    turned = source.copy()
    turned[0, :8] = source[0, :8][::-1]

    assert np.abs(scores(network, source, target) - scores(network, turned, target)).max() > 1e-2


def test_steps_give_what_the_whole_network_gives(network):
    rng = np.random.default_rng(4)
    source, target = ids(rng, 9, 4, LENGTH), ids(rng, LENGTH, LENGTH, LENGTH)
    whole = scores(network, source, target)
    step = KerasSteps(parts_of(network)).start(source)

    rows = np.arange(3)
    for position in range(1, LENGTH + 1):
        found = step(target[:, position - 1].astype(np.int64), position, rows)
        np.testing.assert_allclose(found, whole[:, position - 1], atol=2e-4)


def test_a_row_goes_on_from_the_row_it_is_told(network):
    rng = np.random.default_rng(5)
    source = np.repeat(ids(rng, 9), 2, axis=0)
    target = ids(rng, LENGTH, LENGTH)
    step = KerasSteps(parts_of(network)).start(source)
    for position in range(1, 4):
        step(target[:, position - 1].astype(np.int64), position, np.arange(2))
    found = step(target[[1, 1], 3].astype(np.int64), 4, np.asarray([1, 1]))

    wanted = scores(network, source[:1], target[1:2])[0, 3]
    np.testing.assert_allclose(found, np.stack([wanted, wanted]), atol=2e-4)


def test_attention_is_a_distribution_over_the_source(network):
    steps = KerasSteps(parts_of(network))
    steps.start(ids(np.random.default_rng(6), 7))(np.asarray([2]), 1, np.asarray([0]))

    (weights,) = steps.attention[0]
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights[7:].max() < 1e-4


def test_it_comes_back_from_its_file(network, tmp_path):
    path = tmp_path / "net.keras"
    network.save(path)
    again = load_keras(path)

    rng = np.random.default_rng(7)
    source, target = ids(rng, 9), ids(rng, 5)
    assert is_sequence_model(again)
    np.testing.assert_array_equal(scores(network, source, target), scores(again, source, target))


def test_dropout_works_in_training_alone(network):
    rng = np.random.default_rng(8)
    source, target = ids(rng, 9), ids(rng, 5)

    once, twice = (np.asarray(network([source, target], training=True)) for _ in range(2))
    assert np.abs(once - twice).max() > 1e-3


def test_variance_stays_through_the_layers():
    spreads = []
    for count in (1, 8):
        network = models.build("convs2s", seed=0, encoder_layers=count, dropout=0.0)
        source = np.random.default_rng(0).integers(4, 4000, (2, 64)).astype(np.int32)
        spreads.append(float(np.asarray(parts_of(network).encoder(source)[0]).std()))

    assert max(spreads) < 3 * min(spreads)  # a factor of 16 without the scaled sums


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"input_shape": (2,)}, "4 to"),
        ({"input_shape": (8, 8)}, "sequences"),
        ({"vocabulary_size": 4}, "vocabularies"),
        ({"kernel": 4}, "odd"),
        ({"channels": 0}, "channels"),
        ({"num_classes": 3}, "takes no"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        models.build("convs2s", **arguments)
