"""Related options reach a command as one argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from edgecnn.cli import options
from edgecnn.cli.options.collecting import collected, in_order
from edgecnn.errors import InputError

SIZES = {
    "width": click.option("--width", type=int, default=1),
    "height": click.option("--height", type=int, default=2),
}


def passed_to(decorate: Any, words: list[str]) -> dict[str, Any]:
    """The arguments that a command with these options is called with."""
    arguments: dict[str, Any] = {}

    @click.command()
    @decorate
    def command(**values: Any) -> None:
        arguments.update(values)

    command.main(words, standalone_mode=False)
    return arguments


def test_the_command_gets_what_is_built_of_the_values():
    decorate = in_order(
        collected("size", lambda width, height: width * height, SIZES),
        click.option("--depth", type=int, default=0),
    )
    assert passed_to(decorate, ["--height", "5", "--depth", "3"]) == {"size": 5, "depth": 3}


def test_options_are_shown_in_the_order_that_they_are_written_in():
    @click.command()
    @in_order(click.option("--first"), collected("size", dict, SIZES), click.option("--last"))
    def command(**_: Any) -> None: ...

    names = [param.name for param in command.params]
    assert names == ["first", "width", "height", "last"]


def test_data_that_are_not_named_have_an_empty_name_and_keep_how_to_read_them():
    found = passed_to(options.data(), ["--classes", "car, stop sign", "--strict"])["data"]
    assert found == options.DataOptions(
        "", None, options.ReadingOptions(strict=True, classes=("car", "stop sign"))
    )


def test_a_limit_that_is_no_amount_is_refused():
    limits = passed_to(options.limits(size="2MB"), ["--max-size", "big"])["limits"]
    with pytest.raises(InputError, match="--max-size"):
        limits.parse()


def test_a_new_file_is_neither_an_input_nor_there_already(tmp_path: Path):
    path = tmp_path / "results.json"
    path.touch()
    with click.Context(click.Command("verb")), pytest.raises(InputError, match="is read here"):
        options.claim_new_file(path, force=True, inputs=[path])
    with click.Context(click.Command("verb")), pytest.raises(InputError, match="exists already"):
        options.claim_new_file(path, force=False)
    with click.Context(click.Command("verb")):
        options.claim_new_file(path, force=True)
