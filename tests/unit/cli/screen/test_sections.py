"""The headings of help screens: what stands under one is what it says, in every verb."""

from __future__ import annotations

import importlib
import re

import click
import pytest

from edgecnn.cli import options, verbs
from edgecnn.cli.screen import sections

TRAIN = {"run", "train", "search"}
SECTIONED = {
    verb: command
    for verb in verbs.VERBS
    if isinstance(
        command := importlib.import_module(f"edgecnn.cli.commands.{verb}").command,
        sections.Sectioned,
    )
}


def headings_of(verb: str) -> dict[str, str]:
    """The heading that each option stands under, by its flag, as the help screen shows it."""
    found: dict[str, str] = {}
    heading = ""
    for line in SECTIONED[verb].get_help(click.Context(SECTIONED[verb])).splitlines():
        if title := re.fullmatch(r"(\S.*):", line):
            heading = title[1]
        elif flag := re.match(r"  (--[a-z0-9-]+)", line):
            found[flag[1]] = heading
    return found


@pytest.mark.parametrize("verb", SECTIONED)
def test_only_verbs_that_train_have_headings_about_training(verb):
    about_training = {
        title
        for title in headings_of(verb).values()
        if title == "What to train" or title.startswith("Training")
    }
    assert bool(about_training) == (verb in TRAIN)


@pytest.mark.parametrize("verb", SECTIONED)
def test_what_describes_a_model_of_another_maker_stands_under_one_heading(verb):
    shown = headings_of(verb)
    for flag in {"--preprocessing", "--head", "--labels", "--custom", "--allow-unsafe"} & set(
        shown
    ):
        assert shown[flag] == "About the model"


def test_the_seed_and_the_weights_of_optimize_train_nothing():
    shown = headings_of("optimize")
    assert shown["--weights"] == "About the model"
    assert shown["--seed"] == shown["--samples"] == "Data"


def test_every_option_of_the_training_configuration_stands_under_it():
    shown = headings_of("train")
    config = click.command(options.training_config()(lambda **_: None))
    flags = {param.opts[0] for param in config.params}
    assert {"--small", "--batch-size"} <= flags
    for flag in flags - {"--mixed-precision"}:
        assert shown[flag].startswith("Training configuration"), flag


def test_every_name_under_a_heading_is_an_option_of_a_verb():
    known = {param.name for command in SECTIONED.values() for param in command.params}
    named = {name for names in sections.HEADINGS.values() for name in names}
    assert named <= known
