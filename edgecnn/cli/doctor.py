"""edgecnn doctor: what this machine can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """Tell what this machine can run, and for the rest why not."""
    from edgecnn.benchmarking import machine
    from edgecnn.benchmarking.doctor import diagnose

    environment = machine.capture()
    found = diagnose()
    if as_json:
        report = {
            "environment": asdict(environment),
            "runtimes": {name: asdict(state) for name, state in found.items()},
        }
        click.echo(json.dumps(report, indent=2))
        return
    _print_machine(environment.machine, environment.system)
    for name, state in found.items():
        mark = click.style("yes", fg="green") if state.available else click.style("no ", fg="red")
        told = " ".join(part for part in (state.version, state.device_name) if part)
        click.echo(f"{mark}  {name:<22} {told if state.available else state.reason}")
        if not state.available and state.hint:
            click.echo(f"{'':<27} → {state.hint}")


def _print_machine(machine: Mapping[str, Any], system: Mapping[str, str]) -> None:
    click.echo(f"{machine['board'] or 'unknown board'}, {system['os']}, Python {system['python']}")
    sets = " ".join(machine["instruction_sets"])
    click.echo(f"{machine['cpu_model']}, {machine['usable_cores']} usable cores: {sets}")
    click.echo()
