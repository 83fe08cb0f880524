"""Every help screen, read as a user reads it: 80 columns, no markup."""

from __future__ import annotations

import importlib

import click
import pytest

from edgecnn.cli import options, verbs
from edgecnn.explanation import explain


def screens() -> dict[str, click.Command]:
    """Every command and subcommand by the words that reach it."""
    found: dict[str, click.Command] = {"edgecnn": verbs.command}
    for verb in verbs.VERBS:
        command = importlib.import_module(f"edgecnn.cli.commands.{verb}").command
        options.accept_global(command)
        found[f"edgecnn {verb}"] = command
        for name, below in getattr(command, "commands", {}).items():
            found[f"edgecnn {verb} {name}"] = below
    return found


SCREENS = screens()


def screen(words: str) -> str:
    context = click.Context(SCREENS[words], info_name=words, terminal_width=80)
    return SCREENS[words].get_help(context)


@pytest.mark.parametrize("words", SCREENS)
def test_a_help_screen_fits_80_columns_and_shows_no_markup(words):
    text = screen(words)
    assert "\b" not in text
    assert "\\b" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("words", SCREENS)
def test_no_line_of_a_help_screen_is_cut_off(words):
    assert "..." not in screen(words).replace("[ARGS]...", "").replace("S...", "")


@pytest.mark.parametrize("words", SCREENS)
def test_every_option_has_a_help_text_that_is_a_sentence(words):
    for param in SCREENS[words].params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, param.opts
            assert param.help[0].isupper() or param.help[0] in "[`" or ":" in param.help, param.help
            assert param.help.rstrip("]").endswith((".", "?", ")", "…")), param.help


@pytest.mark.parametrize("words", SCREENS)
def test_every_screen_offers_help_and_debug(words):
    text = screen(words)
    assert "--help" in text
    assert "--debug" in text


def test_every_verb_is_in_one_group_of_the_first_screen():
    text = screen("edgecnn")
    for verb in verbs.VERBS:
        assert text.count(f"\n  {verb} ") == 1
    assert sum(map(len, verbs.GROUPS.values())) == len(verbs.VERBS)


def test_the_shown_defaults_of_explain_are_those_of_the_function():
    shown = {
        param.name: param.show_default
        for param in SCREENS["edgecnn explain"].params
        if isinstance(param, click.Option)
    }
    assert shown["samples"] == str(explain.DEFAULT_SAMPLES)
    assert shown["shifts"] == f"0..{explain.DEFAULT_SHIFTS - 1}"
