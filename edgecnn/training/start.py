"""Weights to start a training from: those of a `.keras` file, or of a detector that ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.keras_files import load_keras
from edgecnn.preprocessing import Preprocessing, SubwordPreprocessing, TextPreprocessing
from edgecnn.registry import unknown_name
from edgecnn.system.places import ASSETS

if TYPE_CHECKING:
    import keras

Weights = list[npt.NDArray[Any]]
AUXILIARY = "auxiliary_"
"""What the names of layers begin with that are there for training only."""


@dataclass(frozen=True)
class Start:
    """Weights of a network, by layer, with where they come from."""

    name: str
    sha256: str
    layers: Mapping[str, Weights]
    preprocessing: Preprocessing | None = None
    """What the network with these weights is fed; None where its file does not say it."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What their manifest says of the data that they have seen."""

    def give(self, model: keras.Model, *, fresh: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Put the weights into `model`, layer by layer; the names of the layers that keep their
        own: those in `fresh` whose shapes differ, as an output for other classes does, those that
        begin with a name in `fresh` and that the weights do not have, and auxiliary heads, which
        a trained network leaves behind.

        Raises InputError for weights of another network.
        """
        weighted = [layer for layer in model.layers if layer.weights]
        kept = [layer.name for layer in weighted if self._left_behind(layer.name, fresh)]
        own = [layer for layer in weighted if layer.name not in kept]
        for layer, (name, weights) in zip(own, self._in_order(model, own), strict=True):
            shapes = [tuple(weight.shape) for weight in layer.weights]
            if [weight.shape for weight in weights] == shapes:
                layer.set_weights(weights)
            elif layer.name in fresh:
                kept.append(layer.name)
            else:
                raise self._of_another(
                    model,
                    f"layer {name} is {_said([weight.shape for weight in weights])}, "
                    f"expected {_said(shapes)}",
                )
        return tuple(kept)

    def check_vocabulary(self, preprocessing: Preprocessing) -> None:
        """Raise InputError where ids stand for other words than in what the weights learned."""
        if self.preprocessing is None or _vocabulary(self.preprocessing) == _vocabulary(
            preprocessing
        ):
            return
        raise InputError(
            f"the weights of {self.name} know another vocabulary than that of the data: the same "
            "ids would be other words",
            hint="pass weights that were trained on the same data, or leave out --weights",
        )

    def record(self, fresh: tuple[str, ...]) -> dict[str, Any]:
        """For the manifest: where the weights are from, and which layers did not take theirs."""
        return {"started_from": {"name": self.name, "sha256": self.sha256, "fresh": list(fresh)}}

    def _left_behind(self, layer: str, fresh: tuple[str, ...]) -> bool:
        return layer not in self.layers and layer.startswith((AUXILIARY, *fresh))

    def _in_order(self, model: keras.Model, own: Sequence[Any]) -> list[tuple[str, Weights]]:
        """What each layer of `own` gets: by name, or in order where Keras made up the names."""
        names = [layer.name for layer in own]
        if set(names) == self.layers.keys():
            return [(name, self.layers[name]) for name in names]
        if len(names) == len(self.layers):
            return list(self.layers.items())
        missing = sorted(set(names) - self.layers.keys())
        more = sorted(self.layers.keys() - set(names))
        what = f"they have no layer {missing[0]}" if missing else f"they have a layer {more[0]}"
        raise self._of_another(model, what)

    def _of_another(self, model: keras.Model, what: str) -> InputError:
        return InputError(
            f"the weights of {self.name} are not of the network {model.name}: {what}",
            hint="pass weights of the same network, or choose the --model that they are of",
        )


def read_start(weights: Path | str) -> Start:
    """Read a `.keras` file, or the weights of a detector that ships, by its name.

    Raises InputError for anything else, and for a file that is damaged or holds code.
    """
    path = Path(weights)
    if not path.suffix and not path.exists():
        shipped = ASSETS / f"{path.name}.keras"
        if not shipped.exists():
            names = sorted(one.stem for one in ASSETS.glob("*.keras"))
            raise unknown_name("weights", str(weights), names)
        path = shipped
    if path.suffix != ".keras":
        raise InputError(
            f"weights to start from are a .keras file, received: {path}",
            hint="pass the .keras file that train wrote",
        )
    artifact = load_artifact(path)
    network = load_keras(path)
    layers = {
        layer.name: [np.asarray(weight) for weight in layer.get_weights()]
        for layer in network.layers
        if layer.weights
    }
    known = artifact.manifest
    return Start(path.name, artifact.sha256, layers, known.preprocessing, known.data)


def _vocabulary(preprocessing: Preprocessing) -> Any:
    """What the ids of a text stand for; None for other data."""
    if isinstance(preprocessing, TextPreprocessing):
        return preprocessing.vocabulary
    if isinstance(preprocessing, SubwordPreprocessing):
        return preprocessing.digest
    return None


def _said(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join("×".join(map(str, shape)) or "a number" for shape in shapes)
