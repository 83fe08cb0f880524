"""TFRecord framing and tf.train.Example: what was written is read, by TensorFlow too."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.data.packed.tf_example import decode_example, encode_example
from edgecnn.data.packed.tfrecord import DamagedRecordError, framed, record_at

INT64 = st.integers(-(2**63), 2**63 - 1)
FEATURES = st.dictionaries(
    st.text(max_size=8), st.binary(max_size=200) | st.lists(INT64, max_size=5).map(tuple)
)


def test_the_framing_is_that_of_the_format():
    # The empty record, as tf.io.TFRecordWriter writes it.
    assert framed(b"").hex() == "000000000000000029039807d8ea82a2"


@settings(deadline=None)  # a busy machine takes its time
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_records_are_found_by_their_offsets(records):
    content, offsets = b"", []
    for record in records:
        offsets.append(len(content))
        content += framed(record)
    assert [record_at(content, offset) for offset in offsets] == records


@settings(deadline=None)  # a busy machine takes its time
@given(st.binary(max_size=40), st.data())
def test_a_flipped_bit_is_found_wherever_it_is(record, data):
    content = bytearray(framed(record))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedRecordError):
        record_at(bytes(content), 0)


@pytest.mark.parametrize("kept", [0, 5, 11, 12, 16, 19])
def test_a_record_that_is_cut_off_is_found(kept):
    with pytest.raises(DamagedRecordError, match="ends"):
        record_at(framed(b"abcd")[:kept], 0)


@settings(deadline=None)  # a busy machine takes its time
@given(FEATURES)
def test_features_come_back_as_they_were(features):
    assert decode_example(encode_example(features)) == features


@settings(deadline=None)  # a busy machine takes its time
@given(st.binary(max_size=60))
def test_other_bytes_are_refused_or_read_but_never_crash(content):
    with contextlib.suppress(DamagedRecordError):
        decode_example(content)


def test_tensorflow_parses_what_was_encoded():
    tf = pytest.importorskip("tensorflow", reason="compares with TensorFlow's own reader")
    features = {"b": b"\0raw\xff", "n": (-1, 0, 2**40, -(2**63)), "é": (), "one": (7,)}
    example = tf.train.Example.FromString(encode_example(features)).features.feature
    assert example["b"].bytes_list.value[:] == [b"\0raw\xff"]
    assert example["n"].int64_list.value[:] == list(features["n"])
    assert example["one"].int64_list.value[:] == [7]
    assert not example["é"].int64_list.value


def test_what_tensorflow_encodes_is_decoded():
    tf = pytest.importorskip("tensorflow", reason="compares with TensorFlow's own writer")
    numbers = tf.train.Feature(int64_list=tf.train.Int64List(value=[3, -4]))
    content = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"xyz"]))
    example = tf.train.Example(
        features=tf.train.Features(feature={"numbers": numbers, "content": content})
    )
    assert decode_example(example.SerializeToString()) == {"numbers": (3, -4), "content": b"xyz"}
