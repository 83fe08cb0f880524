"""edgecnn doctor: what this machine can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from edgecnn.cli.screen.progress import progress_bar


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--limits",
    "with_limits",
    is_flag=True,
    help="Measure the peak arithmetic rates and the memory bandwidth again (10 s).",
)
def command(*, as_json: bool, with_limits: bool) -> None:
    """Show what this machine can run, and why it cannot run the rest."""
    from edgecnn.benchmarking.machine import description as machine
    from edgecnn.benchmarking.machine import limits as machine_limits
    from edgecnn.benchmarking.machine.doctor import diagnose

    environment = machine.capture()
    threads = (1, environment.machine["usable_cores"] or 1)
    reached = machine_limits.known(threads)
    if with_limits:
        with progress_bar() as progress:
            reached = machine_limits.measured(threads, again=True, progress=progress)
    runtimes = diagnose()
    if as_json:
        report = {
            "environment": asdict(environment),
            "limits": reached,
            "runtimes": {name: asdict(state) for name, state in runtimes.items()},
        }
        click.echo(json.dumps(report, indent=2))
        return
    _print_machine(environment.machine, environment.system)
    if reached:
        _print_limits(reached["threads"])
    for name, state in runtimes.items():
        mark = click.style("yes", fg="green") if state.available else click.style("no ", fg="red")
        details = " ".join(part for part in (state.version, state.device_name) if part)
        click.echo(f"{mark}  {name:<22} {details if state.available else state.reason}")
        if not state.available and state.hint:
            click.echo(f"{'':<27} → {state.hint}")


def _print_limits(by_threads: Mapping[str, Any]) -> None:
    """A line for each thread count; a dash where nothing installed has that precision."""
    names = (
        ("float32", "float32_gflops", "GFLOP/s"),
        ("bfloat16", "bfloat16_gflops", "GFLOP/s"),
        ("int8", "int8_gops", "GOP/s"),
        ("memory", "bandwidth_gb_s", "GB/s"),
    )
    for threads, limits in by_threads.items():
        rates = [
            f"{name} {limits[key]:.0f} {unit}" if limits.get(key) else f"{name} –"
            for name, key, unit in names
        ]
        click.echo(f"limits with {threads} threads: {', '.join(rates)}")
    click.echo()


def _print_machine(machine: Mapping[str, Any], system: Mapping[str, str]) -> None:
    click.echo(f"{machine['board'] or 'unknown board'}, {system['os']}, Python {system['python']}")
    sets = " ".join(machine["instruction_sets"])
    click.echo(f"{machine['cpu_model']}, {_cores(machine)}: {sets}")
    click.echo()


def _cores(machine: Mapping[str, Any]) -> str:
    """The processors that a measurement may use, and what limits them."""
    usable, quota = machine["usable_cores"], machine.get("cpu_quota")
    words = f"{usable} usable {'core' if usable == 1 else 'cores'}"
    if quota is None:
        return words
    return f"{words} of {machine['logical_cores']} (CPU quota of this container: {quota:g} cores)"
