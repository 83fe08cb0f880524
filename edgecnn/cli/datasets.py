"""Loading data for a verb, and one line about what was understood."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.cli.options.data import DataOptions
from edgecnn.cli.screen.messages import say
from edgecnn.cli.screen.progress import progress_bar

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset
    from edgecnn.progress import Progress


def load_data(
    data: DataOptions,
    *,
    seed: int = 0,
    models: Iterable[Path] = (),
    quiet: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Load a data set, and unless `quiet` say in one line on standard error what it holds and
    what was left out. With `models` it is split as it was when they were trained on it. Progress
    is shown here, unless there is a `progress` that shows it already. Raises as
    `edgecnn.data.load`.
    """
    from edgecnn.data import DataWarning, load
    from edgecnn.data.splitting.held_out import restore_training_splits
    from edgecnn.data.splitting.training_overlap import split_seed
    from edgecnn.embedded_manifest import load_artifact
    from edgecnn.errors import InputError

    trained = []
    for path in models:
        # What has no manifest (a folder, an architecture, the name of a network, a file that is no
        # model) has no split either; who opens it says what is wrong with it.
        with contextlib.suppress(InputError):
            trained.append(load_artifact(path).manifest)
    with nullcontext(progress) if progress else progress_bar() as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the line below says it
        dataset = load(
            data.name,
            data_dir=data.data_dir,
            seed=split_seed(trained) if trained else seed,
            strict=data.reading.strict,
            classes=data.reading.classes,
            exif=data.reading.exif,
            progress=bar,
        )
    dataset = restore_training_splits(dataset, trained)
    if not quiet:
        say(f"data {dataset.name}: {dataset.summary()}")
    return dataset


def load_optional(data: DataOptions, *, models: Iterable[Path]) -> Dataset | None:
    """As `load_data`; None where no data set was named."""
    return load_data(data, models=models) if data.name else None
