"""Settings of a live run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.vision.pipeline import DetectorSpec
from edgecnn.vision.sources import Source
from edgecnn.vision.sources.capture import Patience


@dataclass(frozen=True)
class LiveSettings:
    """What to run and where its results go."""

    source: Source
    choice: DetectorSpec
    threads: int = 1
    min_score: float | None = None
    classes: tuple[str, ...] = ()
    """The ones to find, by name; all of the model's without."""
    head: str = ""
    labels: tuple[str, ...] = ()
    preprocessing: str | None = None
    shape: str = ""
    input_size: str = ""
    """See `size_choice.choose_size`."""
    second_look: bool = False
    """See `vision.detectors.second_look`."""
    near_look: bool = True
    """See `vision.detectors.near_look`."""
    frames: int | None = None
    window: bool = True
    explain: bool = False
    record: Path | None = None
    events: Path | None = None
    serve: str | None = None
    saved: Path = field(default_factory=Path)
    """The folder for images that are saved with a key."""
    force: bool = False
    patience: Patience = field(default_factory=Patience)
