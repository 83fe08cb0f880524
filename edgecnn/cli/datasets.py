"""Loading data for a verb: how to read them, and one line of what was understood."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from edgecnn.cli.progress import shown

if TYPE_CHECKING:
    from edgecnn.data.base import Dataset
    from edgecnn.progress import Progress

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Reading:
    """How files are to be read: the options that every verb with data takes."""

    strict: bool = False
    classes: tuple[str, ...] = ()
    exif: str = ""


def reading_options(*, classes: bool = True, strict: bool = True) -> Callable[[Command], Command]:
    """--strict, --classes and --exif, given to the command as one `reading`; a verb that has an
    option of the name itself takes it without.
    """
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "exif": (
            "--exif",
            {
                "type": click.Choice(["upright", "stored"]),
                "default": None,
                "help": "Boxes of photos with an EXIF orientation: drawn on the upright or on "
                "the stored picture, where that is not clear.",
            },
        )
    }
    if classes:
        text = (
            "Classes of boxes to find, by name or number. Default: stop signs; for a detector of "
            "many classes, all of them."
        )
        wanted["classes"] = ("--classes", {"default": "", "help": text})
    if strict:
        text = "Refuse data when a sample has to be left out."
        wanted["strict"] = ("--strict", {"is_flag": True, "help": text})

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_reading(**values: Any) -> Any:
            listed = values.pop("classes").split(",") if classes else []
            made = Reading(
                strict=values.pop("strict") if strict else False,
                classes=tuple(name.strip() for name in listed if name.strip()),
                exif=values.pop("exif") or "",
            )
            return function(reading=made, **values)

        wrapped: Any = with_reading
        for name, (flag, attributes) in wanted.items():
            wrapped = click.option(flag, name, **attributes)(wrapped)
        return cast("Command", wrapped)

    return decorate


def load_data(
    name: str,
    *,
    data_dir: Path | None,
    reading: Reading,
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
    from edgecnn.data.held_out import as_trained
    from edgecnn.data.seen import split_seed
    from edgecnn.embedded_manifest import load_artifact
    from edgecnn.errors import InputError

    trained = []
    for path in models:
        # What has no manifest (a folder, an architecture, the name of a network, a file that is no
        # model) has no split either; who opens it says what is wrong with it.
        with contextlib.suppress(InputError):
            trained.append(load_artifact(path).manifest)
    with nullcontext(progress) if progress else shown() as known, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the line below says it
        dataset = load(
            name,
            data_dir=data_dir,
            seed=split_seed(trained) if trained else seed,
            strict=reading.strict,
            classes=reading.classes,
            exif=reading.exif,
            progress=known,
        )
    dataset = as_trained(dataset, trained)
    if not quiet:
        say(f"data {dataset.name}: {dataset.summary()}")
    return dataset


def say(line: str) -> None:
    """A line on standard error without control characters of untrusted names."""
    click.echo("".join(char if char.isprintable() else "�" for char in line), err=True)
