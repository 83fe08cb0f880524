"""What messages advise must exist: options, verbs and the names that they go with."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path

import click
import pytest

import edgecnn
from edgecnn.cli import options, verbs

PACKAGE = Path(edgecnn.__file__).parent
OTHERS = {
    "--include": "git lfs pull",
    "--cpus": "docker",
    "--query-gpu": "nvidia-smi",
    "--format": "nvidia-smi",
    "--quiet": "pip",
    "--disable-pip-version-check": "pip",
    "--no-deps": "pip",
    "--no-input": "pip",
    "--upgrade": "pip",
    "--without-pip": "venv",
    "--clear": "venv",
    "--status": "python -m edgecnn.boards.runner",
    "--brief": "python -m edgecnn.benchmarking.machine.health",
    "--nthreads": "dask worker",
    "--list-cameras": "libcamera",
    "--graphdef": "tf2onnx",
    "--system-site-packages": "venv",
    "--no-runtimes": "python -m edgecnn.benchmarking.machine.health",
    "--examine": "python -m edgecnn.boards.runner",
    "--start": "python -m edgecnn.boards.runner",
    "--follow": "python -m edgecnn.boards.runner",
    "--fetched": "python -m edgecnn.boards.runner",
    "--retries": "pip",
    "--only-binary": "pip",
    "--dest": "pip",
    "--implementation": "pip",
    "--python-version": "pip",
    "--abi": "pip",
    "--platform": "pip",
    "--no-compile": "pip",
    "--no-warn-conflicts": "pip",
    "--target": "pip",
    "--install": "python -m of a bundle",
    "--frame": "a boundary of multipart content",
    "--self-test": "python -m of a bundle",
    "--info": "python -m of a bundle",
    "--tensors": "python -m of a bundle",
    "--json": "python -m of a bundle",
    "--top": "python -m of a bundle",
}
"""Options of other tools that the package calls or advises, and whose they are."""


def commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {"": verbs.command}
    for verb in verbs.VERBS:
        command = importlib.import_module(f"edgecnn.cli.commands.{verb}").command
        options.accept_global(command)
        found[verb] = command
        for name, below in getattr(command, "commands", {}).items():
            found[f"{verb} {name}"] = below
    return found


COMMANDS = commands()
KNOWN = {"--help"} | {
    option
    for command in COMMANDS.values()
    for param in command.params
    for option in (*param.opts, *param.secondary_opts)
}


@functools.cache
def sentences() -> list[tuple[str, str]]:
    """(place, text) of every string in the package that a user may read, docstrings left out."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if id(node) not in prose:
                found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", text))
    return found


def test_every_option_that_a_message_names_exists():
    wrong = [
        (place, option)
        for place, text in sentences()
        for option in re.findall(r"(?<![\w-])(?<!var\()--[a-z]+(?:-[a-z0-9]+)*(?![\w-])", text)
        if option not in KNOWN and option not in OTHERS
    ]
    assert not wrong


def test_every_command_that_a_message_advises_exists_and_takes_its_options():
    wrong = []
    for place, text in sentences():
        for line in re.findall(r"edgecnn ((?:[a-z]+ ?)+[^`;,]*)", text):
            words = line.split()
            if words[0] not in verbs.VERBS:
                continue
            name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
            takes = {option for param in COMMANDS[name].params for option in param.opts}
            wrong += [
                (place, name, word)
                for word in words
                if word.startswith("--") and word.strip(".:)") not in takes
            ]
    assert not wrong


@pytest.mark.parametrize("option", ["--debug", "--force", "--data", "--out"])
def test_options_that_many_messages_name_are_found_by_this_search(option):
    assert any(option in text for _, text in sentences())
