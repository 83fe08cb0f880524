"""Which of a set's classes are to be found: by name, however it is written, or by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.class_names import place_of, same_name
from edgecnn.errors import InputError

__all__ = ["USUAL", "chosen_classes", "listed", "same_name"]

USUAL = ("stop sign", "stop")
"""What is looked for when nobody says: the signs that the detectors here are made for."""
_NAMED = 20


def chosen_classes(
    names: Sequence[str],
    numbers: Mapping[str, int],
    wanted: Sequence[str],
    *,
    where: str,
) -> frozenset[int] | None:
    """Indices into `names` of the `wanted` classes; `numbers` gives the index of a class by the
    number that the files write for it.

    Without `wanted`: stop signs, or else the only class (or none where there are none); None
    where there are several others.
    Raises InputError for a class that is not there.
    """
    keys = [same_name(name) for name in names]
    if not wanted and not names:
        return frozenset()
    if not wanted:
        usual = {same_name(name) for name in USUAL}
        stop_signs = frozenset(index for index, key in enumerate(keys) if key in usual)
        return stop_signs or (frozenset((0,)) if len(names) == 1 else None)
    chosen = set()
    for name in wanted:
        matching = {index for index, key in enumerate(keys) if key == same_name(name)}
        if not matching and name in numbers:
            matching = {numbers[name]}
        synonym = None if matching else place_of(name, names)
        if synonym is not None:
            matching = {synonym}
        if not matching:
            raise InputError(
                f"{where}: no class {name!r}", hint=f"it has: {listed(names, numbers)}"
            )
        chosen |= matching
    return frozenset(chosen)


def listed(names: Sequence[str], numbers: Mapping[str, int]) -> str:
    """Names with their numbers, of many the first."""
    number_of = {index: number for number, index in numbers.items()}
    words = [
        f"{name} ({number_of[index]})" if number_of.get(index, name) != name else name
        for index, name in enumerate(names[:_NAMED])
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(words) or "none") + more
