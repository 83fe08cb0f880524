"""edgecnn results bisect: the version of a runtime in which a model got worse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.screen.messages import say

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol


def _runtime_names() -> list[str]:
    from edgecnn.registry import RUNTIMES

    return list(RUNTIMES.names())


@click.command(short_help="Which version made it worse.")
@click.argument("model", type=options.FILE)
@click.option(
    "--runtime",
    type=options.Name(_runtime_names),
    required=True,
    help="The runtime, as in onnxruntime or onnxruntime:cpu.",
)
@click.option("--good", required=True, metavar="VERSION", help="A version that was good.")
@click.option("--bad", required=True, metavar="VERSION", help="A later version that is not.")
@options.defaulted(
    "--max-slower",
    "threshold",
    type=options.Share(),
    default_text="3%",
    help="A version that is slower than the good one by more is bad.",
)
@options.data(help="Data set; also compares the accuracy on its test split.")
@options.protocol(default="quick")
@click.option("--out", type=options.FILE, help="Write one results file (.json) of all versions.")
@options.force()
def command(
    *,
    model: Path,
    runtime: str,
    good: str,
    bad: str,
    threshold: float | None,
    data: options.DataOptions,
    protocol: Protocol,
    threads: tuple[int, ...],
    out: Path | None,
    force: bool,
) -> None:
    """Find the first version of a runtime in which MODEL got slower, less accurate or broke.

    Versions are installed into isolated environments and measured with the good one; N versions
    take at most log2(N) + 1 environments, which stay (`edgecnn env list`). Exit code 1 when
    the bad version is as good as the good one.
    """
    from edgecnn.benchmarking import bisection
    from edgecnn.cli.datasets import load_optional
    from edgecnn.cli.screen.progress import progress_bar
    from edgecnn.errors import GateError, InputError
    from edgecnn.formats.check import check_model_path
    from edgecnn.results import RuntimeOptions

    model = check_model_path(model)
    if len(threads) != 1:
        raise InputError("bisect takes one number of threads", hint="as in --threads 1")
    options.claim_new_file(out, force=force)
    dataset = load_optional(data, models=[model])
    with progress_bar() as progress:
        outcome = bisection.bisect(
            model,
            runtime,
            good,
            bad,
            options=RuntimeOptions(threads=threads[0]),
            protocol=protocol,
            data=dataset,
            progress=progress,
            say=say,
            **options.without_none(threshold=threshold),
        )
    for step in outcome.steps:
        click.echo(f"{outcome.runtime} {step.version:<12} {step.outcome:<8} {step.why}")
    if out is not None and outcome.results:
        bisection.together(outcome).save(out)
        click.echo(out)
    used = f"{outcome.environments} environments for {outcome.versions} versions"
    if outcome.first_bad is None:
        raise GateError(
            f"{outcome.runtime} {outcome.bad} is as good as {outcome.good} ({used})",
            hint="pass --data for the accuracy, or a smaller --max-slower",
        )
    maybe = (
        f" (or {', '.join(outcome.between)}, which could not be tried)" if outcome.between else ""
    )
    click.echo(f"first bad version: {outcome.runtime} {outcome.first_bad}{maybe}; {used}")
