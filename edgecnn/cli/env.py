"""edgecnn env: isolated environments for runtimes."""

from __future__ import annotations

import click

from edgecnn.cli import options


def _names() -> list[str]:
    from edgecnn.benchmarking.environments import HOMES

    return list(HOMES)


@click.group()
def command() -> None:
    """Manage isolated environments for runtimes whose dependencies conflict."""


@command.command("list")
def list_environments() -> None:
    """Show what can be created and what is there."""
    from edgecnn.benchmarking import environments

    for name in environments.HOMES:
        known = environments.described(name)
        state = "created" if known["created"] else "not created"
        click.echo(f"{name:<16} {state:<12} {known['purpose']}")
        click.echo(f"{'':<16} {', '.join(known['packages'])}")
        if known["created"]:
            click.echo(f"{'':<16} {known['folder']}")


@command.command(short_help="Create an environment and install its packages.")
@click.argument("name", type=options.Name(_names))
@options.force()
def create(name: str, force: bool) -> None:
    """Create the environment NAME (needs a network or a local package index)."""
    from edgecnn.benchmarking import environments

    if environments.python_of(name) is not None and not force:
        click.echo(f"{name} is there already")
        return
    click.echo(f"creating {name} …", err=True)
    environments.create(name, force=force)
    click.echo(f"{name} is ready")


@command.command()
@click.argument("name", type=options.Name(_names))
def remove(name: str) -> None:
    """Delete the environment NAME."""
    from edgecnn.benchmarking import environments

    existed = environments.remove(name)
    click.echo(f"{name} removed" if existed else f"{name} was not there")
