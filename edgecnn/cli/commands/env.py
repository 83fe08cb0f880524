"""edgecnn env: isolated environments for runtimes."""

from __future__ import annotations

import click

from edgecnn.cli import options


def _environment_names() -> list[str]:
    from edgecnn.benchmarking.environments import isolated as environments

    return environments.names()


@click.group()
def command() -> None:
    """Manage isolated environments for runtimes whose dependencies conflict.

    They also hold other versions of a runtime: `edgecnn env create 'onnxruntime==1.23.*'`, then
    `edgecnn benchmark MODEL --runtimes onnxruntime:cpu,onnxruntime==1.23.*:cpu`.
    """


@command.command("list")
def list_environments() -> None:
    """Show what can be created and what is there."""
    from edgecnn.benchmarking.environments import isolated as environments

    for name in environments.names():
        details = environments.described(name)
        state = "created" if details["created"] else "not created"
        click.echo(f"{name:<16} {state:<12} {details['purpose']}")
        click.echo(f"{'':<16} {', '.join(details['packages'])}")
        if details["created"]:
            click.echo(f"{'':<16} {details['folder']}")


@command.command(short_help="Create an environment and install its packages.")
@click.argument("name", type=options.Name(_environment_names))
@options.force()
def create(name: str, force: bool) -> None:
    """Create the environment NAME (needs a network or a local package index).

    NAME is one that `edgecnn env list` shows, or a runtime's package in a version, as in
    onnxruntime==1.23.2 or onnxruntime==1.23.* (quote the star). uv installs where it is there.
    """
    from edgecnn.benchmarking.environments import isolated as environments
    from edgecnn.benchmarking.environments import versions

    existing = environments.installed(name) if versions.is_versioned(name) else name
    if existing and environments.python_of(existing) is not None and not force:
        click.echo(f"{existing} exists already; pass --force to create it again")
        return
    click.echo(f"creating {name} …", err=True)
    python = environments.create(name, force=force)
    environment = python.parent.parent.name
    how = f": --runtimes {environment}:cpu" if versions.is_versioned(environment) else ""
    click.echo(f"{environment} is ready{how}")


@command.command()
@click.argument("name", type=options.Name(_environment_names))
def remove(name: str) -> None:
    """Delete the environment NAME."""
    from edgecnn.benchmarking.environments import isolated as environments

    existed = environments.remove(name)
    click.echo(f"{name} removed" if existed else f"{name} does not exist")
