"""edgecnn data pack, edgecnn data check: data sets in shards, for sets larger than memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import print_line
from edgecnn.cli.screen.progress import progress_bar

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Size(click.ParamType[Any]):
    """A size such as 256MB or 1GiB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
        unit = _UNITS.get(match[2].upper()) if match else None
        if match is None or unit is None or float(match[1]) * unit < 1:
            self.fail(f"expected a size such as 256MB or 1GiB; received: {value}", param, ctx)
        return int(float(match[1]) * unit)


@click.command("pack", short_help="Pack a data set into sharded TFRecord files.")
@click.argument("data", type=options.Name(options.data_names))
@click.option("--out", type=options.FILE, required=True, help="Folder to write.")
@options.defaulted(
    "--shard-size", type=Size(), default_text="256MB", help="Maximum size of a file."
)
@click.option("--data-dir", type=options.FILE, help="Folder with the files, instead of a download.")
@click.option("--split-seed", type=int, default=0, show_default=True, help="Seed of the splits.")
@options.reading_options()
@options.force()
def pack_command(
    *,
    data: str,
    out: Path,
    shard_size: int | None,
    data_dir: Path | None,
    reading: options.ReadingOptions,
    split_seed: int,
    force: bool,
) -> None:
    """Pack DATA into sharded TFRecord files with an index and checksums.

    `--data packed:FOLDER` then gives the same samples, splits and hash as DATA.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.data.packed.writing import pack

    options.claim(out)
    dataset = load_data(options.DataOptions(data, data_dir, reading), seed=split_seed)
    with progress_bar() as progress:
        index = pack(
            dataset,
            out,
            force=force,
            progress=progress,
            **options.without_none(shard_bytes=shard_size),
        )
    megabytes = sum(shard.bytes for shard in index.shards) / 1e6
    click.echo(
        f"{out}: {sum(index.splits.values())} samples in {len(index.shards)} shards, "
        f"{megabytes:.1f} MB, sha256 {index.sha256[:12]}"
    )
    click.echo(f"use it with: --data packed:{out}")


@click.command("check", short_help="Check every byte of a packed data set.")
@click.argument("folder", type=options.FILE)
def check_command(*, folder: Path) -> None:
    """Compare a packed FOLDER, byte for byte, with what was written; exit 1 on damage."""
    from edgecnn.data.packed.check import damages
    from edgecnn.errors import GateError

    with progress_bar() as progress:
        lines = damages(folder, progress=progress)
    for line in lines:
        print_line(line)
    if lines:
        raise GateError(f"{folder}: {len(lines)} shards are damaged", hint="pack the data again")
    click.echo(f"{folder}: intact")
