"""Which data, and how their files are to be read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import click

from edgecnn.cli.options.kinds import FILE, Command, Name
from edgecnn.cli.options.names import data_names


@dataclass(frozen=True)
class ReadingOptions:
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
                "help": "Whether boxes of photos with an EXIF orientation refer to the upright or "
                "the stored image, where that is ambiguous.",
            },
        )
    }
    if classes:
        text = (
            "Classes of boxes to find, by name or number. Default: every class that data and "
            "model share; stop signs where the model names none."
        )
        wanted["classes"] = ("--classes", {"default": "", "help": text})
    if strict:
        text = "Refuse data when a sample has to be left out."
        wanted["strict"] = ("--strict", {"is_flag": True, "help": text})

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def with_reading(**values: Any) -> Any:
            listed = values.pop("classes").split(",") if classes else []
            reading = ReadingOptions(
                strict=values.pop("strict") if strict else False,
                classes=tuple(name.strip() for name in listed if name.strip()),
                exif=values.pop("exif") or "",
            )
            return function(reading=reading, **values)

        wrapped: Any = with_reading
        for name, (flag, attributes) in wanted.items():
            wrapped = click.option(flag, name, **attributes)(wrapped)
        return cast("Command", wrapped)

    return decorate


def data(*, classes: bool = True, **attributes: Any) -> Callable[[Command], Command]:
    """--data NAME with --data-dir and how to read it (see `datasets.reading_options`)."""
    text = attributes.pop(
        "help",
        "Data set: digits, mnist, folder:DIR (one sub-folder per class), text:FILE …",
    )

    def decorate(function: Command) -> Command:
        directory = click.option(
            "--data-dir", type=FILE, help="Folder with the data set's files, instead of a download."
        )
        name = click.option("--data", type=Name(data_names), help=text, **attributes)
        return name(directory(reading_options(classes=classes)(function)))

    return decorate
