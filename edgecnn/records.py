"""Frozen dataclasses from JSON that somebody else may have written: every field is checked.

The type of a field is its schema: numbers are finite, whole numbers fit into 64 bits, a `Literal`
takes its words only, and what is `Any` is plain JSON. A field that does not fit is a FieldError
that names its path ("measurements[3].runs[0].samples_ns[17]"). Keys that the class does not have
are left out, so that a file from a later version can be read.

msgspec (0.7 MB, 0.03 s to import) and cattrs (1.9 MB, 0.07 s) read faster, but a worker has numpy
and its runtime only, in environments that others pin. Here a row that does not fit is left out by
itself and named by its path, NaN is null, and 3.0 is a whole number: with either library these
three would be hooks of ours. Reading 200 rows with 3 million samples takes as long as parsing their
JSON.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, TypeVar

from edgecnn.errors import InputError

Record = TypeVar("Record")
_Reader = Callable[[Any, str], Any]

LARGEST_INTEGER = (1 << 63) - 1
DEEPEST = 40
"""Levels of lists and objects inside a field that may hold anything."""
_SHOWN = 40


class FieldError(InputError):
    """A field that is missing or holds something else; `path` says which."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path


def read_record(kind: type[Record], values: Any, at: str = "") -> Record:
    """The dataclass `kind` from a JSON object that lies at the path `at`. Raises FieldError."""
    record: Record = read_field(kind, values, at)
    return record


def read_field(annotation: Any, value: Any, at: str) -> Any:
    """`value` as the type `annotation` asks for; lists become tuples. Raises FieldError."""
    return _reader(annotation)(value, at)


def read_list(value: Any, at: str) -> Sequence[Any]:
    """A list whose items nobody has looked at yet. Raises FieldError."""
    if not isinstance(value, (list, tuple)):
        raise FieldError(at, f"expected a list, received: {abbreviated(value)}")
    return value


def inside(at: str, key: object) -> str:
    """The path of a key, or of an index, below the path `at`."""
    if isinstance(key, int):
        return f"{at}[{key}]"
    name = str(key)
    if not name.isidentifier() or len(name) > _SHOWN:
        return f"{at}[{name[:_SHOWN]!r}]"
    return f"{at}.{name}" if at else name


def abbreviated(value: Any) -> str:
    """What was received, short and without control characters."""
    if isinstance(value, str):
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if isinstance(value, Mapping):
        return f"an object with {len(value)} keys"
    if isinstance(value, Sequence):
        return f"a list of {len(value)}"
    if type(value) is int and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _reader(annotation: Any) -> _Reader:
    """What reads a value of this type: made once for each type."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if is_dataclass(annotation):
        return _dataclass_reader(annotation)
    if typing.is_typeddict(annotation):
        return _typed_dict_reader(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:  # an open mapping, and the keys of it that are typed
        return _reader(arguments[1])
    if origin in (typing.Union, types.UnionType):
        return _union_reader(arguments)
    return _generic_reader(origin, arguments)


def _generic_reader(origin: Any, arguments: tuple[Any, ...]) -> _Reader:
    if origin is typing.Literal:
        return _literal_reader(arguments)
    if origin is tuple:
        return _tuple_reader(arguments)
    if origin is list:
        item_of = _tuple_reader((arguments[0], ...))
        return lambda value, at: list(item_of(value, at))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(arguments[1])
    raise TypeError(f"no schema for {origin}[{arguments}]")


def _dataclass_reader(kind: Any) -> _Reader:
    hints = typing.get_type_hints(kind, include_extras=True)
    hinted = [(field.name, hints[field.name]) for field in fields(kind) if field.init]
    required = {
        field.name
        for field in fields(kind)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    }

    readers: list[tuple[str, _Reader]] = []

    def read(value: Any, at: str) -> Any:
        values = _object(value, at)
        if not readers:  # only now: a class may hold itself
            readers.extend((name, _reader(annotation)) for name, annotation in hinted)
        arguments, before = {}, f"{at}." if at else ""
        for name, reader in readers:
            if name in values:
                arguments[name] = reader(values[name], before + name)
            elif name in required:
                raise FieldError(inside(at, name), "is missing")
        return kind(**arguments)

    return read


def _typed_dict_reader(kind: Any) -> _Reader:
    """Known keys as they are typed, others as plain JSON; the result is a dictionary."""
    hints = typing.get_type_hints(kind, include_extras=True)

    readers: dict[str, _Reader] = {}

    def read(value: Any, at: str) -> dict[str, Any]:
        values = _object(value, at)
        if not readers:
            readers.update((name, _reader(hint)) for name, hint in hints.items())
        for name in kind.__required_keys__:
            if name not in values:
                raise FieldError(inside(at, name), "is missing")
        return {
            name: readers.get(name, _plain)(item, inside(at, name)) for name, item in values.items()
        }

    return read


def _literal_reader(words: tuple[Any, ...]) -> _Reader:
    def read(value: Any, at: str) -> Any:
        if not isinstance(value, str) or value not in words:
            raise FieldError(
                at, f"expected one of {', '.join(words)}, received: {abbreviated(value)}"
            )
        return value

    return read


def _union_reader(choices: tuple[Any, ...]) -> _Reader:
    """The one choice besides null; of several the first that takes the value."""
    others = [choice for choice in choices if choice is not types.NoneType]

    def read(value: Any, at: str) -> Any:
        if value is None and len(others) < len(choices):
            return None
        for choice in others[:-1]:
            try:
                return _reader(choice)(value, at)
            except FieldError:
                continue
        return _reader(others[-1])(value, at)

    return read


def _tuple_reader(arguments: tuple[Any, ...]) -> _Reader:
    endless = len(arguments) == 2 and arguments[1] is ...

    def read(value: Any, at: str) -> tuple[Any, ...]:
        value = read_list(value, at)
        if not endless:
            if len(value) != len(arguments):
                raise FieldError(at, f"expected {len(arguments)} values, received: {len(value)}")
            pairs = enumerate(zip(arguments, value, strict=True))
            return tuple(_reader(one)(item, inside(at, i)) for i, (one, item) in pairs)
        if arguments[0] in (int, float) and _all_sound(value, arguments[0]):
            return tuple(value)  # raw samples, by the million
        item_of = _reader(arguments[0])
        return tuple(item_of(item, inside(at, i)) for i, item in enumerate(value))

    return read


def _all_sound(values: Sequence[Any], kind: type) -> bool:
    """Whether all are finite numbers of 64 bits, and whole for `int`; at the speed of C. False
    also where each has to be seen: the largest of NaN and others depends on their order.
    """
    kinds = set(map(type, values))
    if not kinds <= {int, kind}:
        return False
    if not values:
        return True
    bounded = min(values) >= -LARGEST_INTEGER and max(values) <= LARGEST_INTEGER
    return bounded and (float not in kinds or all(map(isfinite, values)))


def _mapping_reader(annotation: Any) -> _Reader:
    item_of = _reader(annotation)

    def read(value: Any, at: str) -> dict[str, Any]:
        return {key: item_of(item, inside(at, key)) for key, item in _object(value, at).items()}

    return read


def _object(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise FieldError(at, f"expected an object, received: {abbreviated(value)}")
    return value


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise FieldError(at, f"expected text, received: {abbreviated(value)}")
    return value


def _boolean(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise FieldError(at, f"expected true or false, received: {abbreviated(value)}")
    return value


def _whole(value: Any, at: str) -> int:
    """A whole number of 64 bits; 3.0 is one, for other tools write it so."""
    if isinstance(value, float) and isfinite(value) and value == int(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LARGEST_INTEGER:
        raise FieldError(at, f"expected a whole number of 64 bits, received: {abbreviated(value)}")
    return value


def _number(value: Any, at: str) -> float:
    fits = isinstance(value, float) and isfinite(value)
    if not fits and (type(value) is not int or abs(value) > LARGEST_INTEGER):
        raise FieldError(at, f"expected a finite number, received: {abbreviated(value)}")
    number: float = value
    return number


def _nothing(value: Any, at: str) -> None:
    if value is not None:
        raise FieldError(at, f"expected null, received: {abbreviated(value)}")


def _plain(value: Any, at: str, depth: int = 0) -> Any:
    """Any JSON without giant numbers or a tower of lists; NaN and infinity, which JSON does not
    have, are null.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, (int, float)):
        return _number(value, at)
    if depth >= DEEPEST:
        raise FieldError(at, f"nested more than {DEEPEST} levels deep")
    if isinstance(value, Mapping):
        values = _object(value, at)
        return {key: _plain(item, inside(at, key), depth + 1) for key, item in values.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, inside(at, i), depth + 1) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    raise FieldError(at, f"expected JSON, received: {abbreviated(value)}")


_SIMPLE: Mapping[Any, _Reader] = {
    Any: _plain,
    object: _plain,
    str: _text,
    bool: _boolean,
    int: _whole,
    float: _number,
    types.NoneType: _nothing,
}
