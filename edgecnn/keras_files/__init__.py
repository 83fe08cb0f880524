"""Keras itself, and its model files from anywhere: opened only after a look at what is inside.

A `.keras` file is a zip archive with `config.json` (the architecture), `metadata.json` and
`model.weights.h5`; Keras 2 wrote all of it into one HDF5 file (`.h5`). They may come from
strangers, so before Keras sees one: it is whole, unpacks to a sane size, names no path outside
itself, and holds no Python code.
"""

from __future__ import annotations

from edgecnn.keras_files.archive import load_keras, network_name
from edgecnn.keras_files.library import import_keras, import_keras_2, is_keras_2

__all__ = ["import_keras", "import_keras_2", "is_keras_2", "load_keras", "network_name"]
