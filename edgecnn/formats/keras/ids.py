"""Tables that the inputs of a .keras file are looked up in, read off its config.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecnn.formats.keras.config import listed, mapping, read_config

_MAX_STEPS = 100_000


def id_limits(path: Path) -> tuple[int | None, ...]:
    """See `id_tables.id_limits`. Raises ValueError or OSError for a file that is not whole."""
    config = read_config(path)
    if config is None:
        return ()
    settings = mapping(config.get("config") if isinstance(config, dict) else None)
    layers = [mapping(layer) for layer in listed(settings.get("layers"))]
    names = list(_input_names(settings.get("input_layers")))
    if not names:  # a sequential model
        return (min(_tables(layers), default=None),)
    by_name = {str(mapping(layer.get("config")).get("name")): layer for layer in layers}
    limits: dict[str, int] = {}
    for layer in layers:
        rows = min(_tables([layer]), default=None)
        if rows is None:
            continue
        for name in _sources(layer, by_name):
            limits[name] = min(rows, limits.get(name, rows))
    return tuple(limits.get(name) for name in names)


def _tables(layers: list[Mapping[str, Any]]) -> Iterator[int]:
    """Rows of every embedding, those inside of models inside included."""
    waiting: list[Any] = list(layers)
    while waiting:
        layer = mapping(waiting.pop())
        settings = mapping(layer.get("config"))
        rows = settings.get("input_dim")
        if layer.get("class_name") == "Embedding" and isinstance(rows, int) and rows > 0:
            yield rows
        waiting.extend(listed(settings.get("layers")))
        waiting.extend(value for value in settings.values() if isinstance(value, dict))


def _sources(layer: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The input layers that a layer is fed from, whatever lies between."""
    inputs: set[str] = set()
    seen: set[str] = set()
    waiting = [layer]
    while waiting and len(seen) < _MAX_STEPS:
        current = waiting.pop()
        name = str(mapping(current.get("config")).get("name"))
        if current.get("class_name") == "InputLayer":
            inputs.add(name)
        if current is not layer and current.get("class_name") == "Embedding":
            continue  # what comes out of a table is not an id any more
        for before in _histories(current.get("inbound_nodes")):
            if before in by_name and before not in seen:
                seen.add(before)
                waiting.append(by_name[before])
    return inputs


def _histories(nodes: Any) -> Iterator[str]:
    """Names of the layers that a layer's nodes take their tensors from."""
    waiting = [nodes]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            history = value.get("keras_history")
            if isinstance(history, list) and history:
                yield str(history[0])
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _input_names(layers: Any) -> Iterator[str]:
    """`input_layers`: ["name", 0, 0], a list of such, or a mapping to such, which Keras takes in
    the order of its keys.
    """
    if isinstance(layers, dict):
        for key in sorted(layers):
            yield from _input_names(layers[key])
    elif isinstance(layers, list) and layers and isinstance(layers[0], str):
        yield layers[0]
    elif isinstance(layers, list):
        for one in layers:
            yield from _input_names(one)
