"""tf.train.Example as bytes: named lists of bytes or of whole numbers, without protobuf.

    message Example   { Features features = 1; }
    message Features  { map<string, Feature> feature = 1; }
    message Feature   { oneof kind { BytesList bytes_list = 1; FloatList float_list = 2;
                                     Int64List int64_list = 3; } }
    message BytesList { repeated bytes value = 1; }
    message Int64List { repeated int64 value = 1 [packed = true]; }

(tensorflow/core/example/example.proto and feature.proto; the encoding is that of
protobuf.dev/programming-guides/encoding, where a map is repeated entries {key = 1, value = 2}.)
Lists of floats are neither written nor read: samples travel as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgecnn.data.packed.tfrecord import DamagedRecordError

Feature = bytes | Sequence[int]
"""One value of bytes, or a list of 64-bit whole numbers."""

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _INT64_LIST = 1, 3


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """The features in the order of their names."""
    entries = b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, _feature(features[name])))
        for name in sorted(features)
    )
    return _delimited(1, entries)


def decode_example(content: bytes) -> dict[str, Feature]:
    """The features by name; of those that hold several values of bytes, the first.

    Raises DamagedRecordError for what is not an Example, or one with a list of floats.
    """
    features: dict[str, Feature] = {}
    for _, example in _fields(memoryview(content)):
        for _, entry in _fields(_message(example)):
            fields = dict(_fields(_message(entry)))
            if not fields.keys() >= {1, 2}:
                raise DamagedRecordError("it is not a tf.train.Example")
            features[str(_message(fields[1]), "utf-8", "replace")] = _values(_message(fields[2]))
    return features


def _feature(value: Feature) -> bytes:
    if isinstance(value, bytes):
        return _delimited(_BYTES_LIST, _delimited(1, value))
    numbers = b"".join(_varint(number) for number in value)
    return _delimited(_INT64_LIST, _delimited(1, numbers))


def _delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; negative numbers as 64 bits in two's complement."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _values(feature: memoryview) -> Feature:
    for kind, content in _fields(feature):
        if kind == _BYTES_LIST:
            value = next((value for _, value in _fields(_message(content))), memoryview(b""))
            return bytes(_message(value))
        if kind == _INT64_LIST:
            return _numbers(_message(content))
        raise DamagedRecordError("it holds numbers that are not whole")
    return b""


def _numbers(content: memoryview) -> tuple[int, ...]:
    """Packed, or one field a number: a reader has to take both."""
    numbers = []
    for _, value in _fields(content):
        if isinstance(value, int):
            numbers.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _read_varint(value, at)
            numbers.append(number)
    return tuple(number - (1 << 64) if number >> 63 else number for number in numbers)


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and content of each field of a message."""
    at, end = 0, len(content)
    while at < end:
        key, at = _read_varint(content, at)
        kind = key & 7
        if kind == _DELIMITED:
            length, at = _read_varint(content, at)
        elif kind == _VARINT:
            number, at = _read_varint(content, at)
            yield key >> 3, number
            continue
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise DamagedRecordError("it is not a tf.train.Example")
        if at + length > end:
            raise DamagedRecordError("it is not a tf.train.Example: a field is cut off")
        yield key >> 3, content[at : at + length]
        at += length


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    if at < len(content) and content[at] < 0x80:  # one byte: all keys and most lengths
        return content[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DamagedRecordError("it is not a tf.train.Example: a number is cut off")


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise DamagedRecordError("it is not a tf.train.Example")
    return value
