"""Which data, and how their files are to be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options.collecting import collected
from edgecnn.cli.options.kinds import FILE, Command, Name
from edgecnn.cli.options.names import data_names


@dataclass(frozen=True)
class ReadingOptions:
    """How files are to be read: the options that every verb with data takes."""

    strict: bool = False
    classes: tuple[str, ...] = ()
    exif: str = ""


@dataclass(frozen=True)
class DataOptions:
    """Which data, where their files are, and how to read them; no name is no data."""

    name: str
    data_dir: Path | None
    reading: ReadingOptions


def reading_options(*, classes: bool = True, strict: bool = True) -> Callable[[Command], Command]:
    """--strict, --classes and --exif, given to the command as one `reading`; a verb that has an
    option of the name itself takes it without.
    """
    return collected("reading", _reading, _reading_options(classes=classes, strict=strict))


def data(*, classes: bool = True, **attributes: Any) -> Callable[[Command], Command]:
    """--data NAME with --data-dir and how to read it, given to the command as one `data`."""
    text = attributes.pop(
        "help",
        "Data set: digits, mnist, folder:DIR (one sub-folder per class), text:FILE …",
    )

    def build(data: str | None, data_dir: Path | None, **reading: Any) -> DataOptions:
        return DataOptions(data or "", data_dir, _reading(**reading))

    options = {
        "data": click.option("--data", type=Name(data_names), help=text, **attributes),
        "data_dir": click.option(
            "--data-dir", type=FILE, help="Folder with the data set's files, instead of a download."
        ),
        **_reading_options(classes=classes, strict=True),
    }
    return collected("data", build, options)


def _reading_options(*, classes: bool, strict: bool) -> dict[str, Callable[[Any], Any]]:
    options: dict[str, Callable[[Any], Any]] = {}
    if strict:
        text = "Refuse data when a sample has to be left out."
        options["strict"] = click.option("--strict", is_flag=True, help=text)
    if classes:
        text = (
            "Classes of boxes to find, by name or number. Default: every class that data and "
            "model share; stop signs where the model names none."
        )
        options["classes"] = click.option("--classes", default="", help=text)
    options["exif"] = click.option(
        "--exif",
        type=click.Choice(["upright", "stored"]),
        default=None,
        help="Whether boxes of photos with an EXIF orientation refer to the upright or the stored "
        "image, where that is ambiguous.",
    )
    return options


def _reading(*, exif: str | None, classes: str = "", strict: bool = False) -> ReadingOptions:
    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    return ReadingOptions(strict=strict, classes=names, exif=exif or "")
