"""Choose the classes to detect, by name (in any spelling) or by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.class_names import place_of, same_name
from edgecnn.errors import InputError

__all__ = ["USUAL", "chosen_classes", "listed", "merged", "numbers_in", "same_name"]

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


def numbers_in(names: Sequence[str], ours: Sequence[str]) -> dict[int, int]:
    """For the classes of a set, by their place in `names`, the place that they have in `ours`,
    however they are written there; without those that `ours` lack.

    A synonym ("stop" for "stop sign") stands in only where the set does not have the class itself.
    """
    own = {same_name(name) for name in names}
    places: dict[int, int] = {}
    for number, name in enumerate(names):
        place = ours.index(name) if name in ours else place_of(name, ours)
        if place is not None and same_name(ours[place]) in own - {same_name(name)}:
            continue
        if place is not None:
            places[number] = place
    return places


def merged(sets: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[dict[int, int], ...]]:
    """The classes of several sets together, and for each set the place there of each of its own.

    A class that two sets write differently is one, under the name of the first. Two classes of one
    set stay two.
    """
    names: list[str] = []
    numbers = []
    for own in sets:
        places = numbers_in(own, names)
        known = set(names)
        of_set: dict[int, int] = {}
        for number in sorted(range(len(own)), key=lambda number: own[number] not in known):
            place = places.get(number)
            if place is None or place in of_set.values():
                place = len(names)
                names.append(own[number])
            of_set[number] = place
        numbers.append(dict(sorted(of_set.items())))
    return tuple(names), tuple(numbers)


def listed(names: Sequence[str], numbers: Mapping[str, int]) -> str:
    """Names with their numbers, of many the first."""
    number_of = {index: number for number, index in numbers.items()}
    words = [
        f"{name} ({number_of[index]})" if number_of.get(index, name) != name else name
        for index, name in enumerate(names[:_NAMED])
    ]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (", ".join(words) or "none") + more
