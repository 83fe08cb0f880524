"""Checks before an optimization starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.data.base import Dataset
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.keras_files import network_name
from edgecnn.manifest import Artifact, Manifest
from edgecnn.registry import SEQUENCE_MODELS

if TYPE_CHECKING:
    from edgecnn.optimization.optimize import OptimizationSettings


def known_artifact(model: Path) -> Artifact | None:
    """The model's file with its manifest; None for what is not a model file by itself (a folder,
    the name of a network, an architecture): whoever opens it says what is wrong with it.
    """
    if not model.is_file():
        return None
    try:
        return load_artifact(model)
    except InputError:
        return None


def check_settings(settings: OptimizationSettings) -> None:
    """Find out about numbers that make no sense before anything takes time."""
    if settings.samples < 1:
        raise InputError(f"--samples is 1 or more, received: {settings.samples}")
    if settings.seed < 0:
        raise InputError(f"--seed is 0 or more, received: {settings.seed}")
    if not settings.threads or min(settings.threads) < 1:
        raise InputError(
            f"--threads takes numbers from 1, received: {', '.join(map(str, settings.threads))}"
        )


def refuse_sequences(model: Path, manifest: Manifest, data: Dataset) -> None:
    """Raise InputError for a model that answers with a sequence: it is two graphs, of which
    neither has an accuracy of its own.
    """
    is_sequence = manifest.task == "translation" or data.task == "translation"
    if is_sequence or (
        model.suffix.lower() == ".keras"
        and model.is_file()
        and network_name(model) in SEQUENCE_MODELS.names()
    ):
        raise InputError(
            f"{model.name}: a model that answers with a sequence is not searched",
            hint="edgecnn convert --to all makes its files, edgecnn benchmark compares them",
        )
