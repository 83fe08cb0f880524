"""edgecnn optimize: which file to ship, on which runtime, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli import options
from edgecnn.cli.screen import timeline
from edgecnn.cli.screen.progress import progress_bar
from edgecnn.cli.screen.sections import Sectioned

if TYPE_CHECKING:
    from edgecnn.benchmarking.protocol import Protocol
    from edgecnn.optimization.outcome import OptimizationOutcome, TimedCandidate
    from edgecnn.progress import Progress

ROWS = 12
HEADINGS = {"weights": "About the model", "samples": "Data", "seed": "Data"}


@click.command(cls=Sectioned, headings=HEADINGS)
@click.argument("model", type=options.FILE)
@options.data(
    help="Data set that calibrates, guides the search and judges its result.", required=True
)
@options.defaulted(
    "--max-drop",
    metavar="POINTS",
    default_text="1",
    help="Percentage points of accuracy that may be lost, shown with 95% confidence.",
)
@options.limits(size="2MB")
@options.defaulted(
    "--objective",
    type=click.Choice(["latency", "size", "memory"]),
    default_text="latency",
    help="What to optimize among the files that meet the limits.",
)
@options.runtimes()
@options.protocol(default="quick")
@options.defaulted("--samples", type=int, default_text="256", help="Number of calibration samples.")
@options.seed("for drawing samples")
@options.preprocessing()
@options.weights()
@options.custom()
@options.about_model()
@options.shape()
@click.option("--bundle", type=options.FILE, help="Also write the choice as a bundle that runs.")
@click.option("--out", type=options.FILE, required=True, help="The folder for files and report.")
@options.allow_unsafe()
@options.force()
def command(
    *,
    model: Path,
    data: options.DataOptions,
    max_drop: str | None,
    limits: options.LimitOptions,
    objective: str | None,
    runtimes: tuple[str, ...],
    protocol: Protocol,
    threads: tuple[int, ...],
    samples: int | None,
    seed: int,
    preprocessing: str | None,
    weights: str | None,
    custom: tuple[Path, ...],
    head: str,
    labels: str,
    shape: str,
    bundle: Path | None,
    out: Path,
    allow_unsafe: bool,
    force: bool,
) -> None:
    """Find the file and the runtime to ship MODEL with.

    Candidate files are made, measured and eliminated until the fastest within the limits is left;
    its loss of accuracy is then proven on samples that the search has not seen. Run the same
    command again to resume. Ctrl-C leaves the best so far.

    Exits with 1 if no file provably meets the limits; prints the closest candidate, what blocks it,
    and alternatives.
    """
    from edgecnn.cli.datasets import load_data
    from edgecnn.conversion.sources.kinds import located
    from edgecnn.optimization.bundles.shipping import ship
    from edgecnn.optimization.goal import Goal, parse_points
    from edgecnn.optimization.optimize import OptimizationSettings, optimize
    from edgecnn.optimization.outcome import ANSWER_FILE

    max_points = None if max_drop is None else parse_points(max_drop)
    goal = Goal(**limits.parse(), **options.without_none(max_drop=max_points, objective=objective))
    about = options.model_options(head, labels, preprocessing)
    options.claim(out, bundle)
    if bundle is not None:
        _check_bundle(bundle, model, force=force)
    dataset = load_data(data, models=[Path(located(model))])
    settings = OptimizationSettings(
        goal, runtimes, threads, seed, protocol=protocol, **options.without_none(samples=samples)
    )
    with progress_bar() as progress:
        try:
            outcome = optimize(
                model,
                dataset,
                settings,
                out,
                preprocessing=preprocessing,
                weights=weights,
                custom=custom,
                shape=shape,
                about=about,
                allow_unsafe=allow_unsafe,
                force=force,
                progress=progress,
            )
        except KeyboardInterrupt:
            _print_interrupted(out / ANSWER_FILE)
            raise
        page = _write_report(outcome, out, progress)
    _print(outcome)
    choice = outcome.choice if outcome.accepted else None
    if choice is not None:
        click.echo(f"file: {choice.tried.artifact.path}")
    click.echo(f"report: {page}")
    timeline.print_summary(len(outcome.timed))
    if choice is not None and bundle is not None:  # last: where it fails, all else is said
        click.echo(f"bundle: {ship(outcome, choice, dataset, bundle, force=force)}")
    _require_accepted(outcome)


def _check_bundle(bundle: Path, model: Path, *, force: bool) -> None:
    """Refuse a place that is taken, and a model that makes no bundle, before the search starts."""
    from edgecnn.optimization.bundles.bundle import refuse_fixed_batch
    from edgecnn.optimization.bundles.delivery import check_place

    check_place(bundle, force=force)
    if model.suffix.lower() in (".onnx", ".tflite"):  # what is made of these takes as many
        refuse_fixed_batch(model)


def _write_report(outcome: OptimizationOutcome, out: Path, progress: Progress) -> Path:
    from edgecnn.optimization.folder import RESULTS_FILE
    from edgecnn.optimization.page import write_page
    from edgecnn.results import Results

    results = Results.load(out / RESULTS_FILE) if outcome.timed else None
    progress("report", 0, 1)
    page = write_page(outcome, results, out / "report.html")
    progress("report", 1, 1)
    return page


def _print(outcome: OptimizationOutcome) -> None:
    from edgecnn.optimization.finalists import in_order

    ranked = list(in_order(outcome.timed, outcome.goal))
    ranked += [each for each in outcome.timed if all(each is not one for one in ranked)]
    for each in ranked[:ROWS]:
        mark = "→" if each is outcome.choice and outcome.accepted else " "
        click.echo(f"{mark} {_candidate_line(each)}")
    for sentence in outcome.sentences:
        click.echo(sentence)
    for title, texts in (
        ("alternatives", outcome.ways_out),
        ("with looser limits", outcome.changes),
    ):
        if texts:
            click.echo(f"{title}:")
            for text in texts:
                click.echo(f"  {text}")
    for obstacle in outcome.obstacles:
        click.echo(f"not searched: {obstacle.where}: {obstacle.why}")


def _candidate_line(candidate: TimedCandidate) -> str:
    """How fast, large and accurate a file is, and how likely it is the fastest."""
    from edgecnn import numbers

    drop, chance = candidate.tried.drop, candidate.chance_best
    lost = f"{numbers.points(-drop.points)} points (≤ {drop.bound:.2f} lost)" if drop else ""
    certainty = "" if chance is None else f", {chance:.0%} likely to be the fastest"
    return (
        f"{numbers.number(candidate.p50_ms):>8} ms  {candidate.name:<60} "
        f"{numbers.size(candidate.tried.artifact.size_bytes):>8}  {lost}{certainty}"
    )


def _print_interrupted(path: Path) -> None:
    import json

    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    # An answer that is not marked is that of an earlier search, which was not interrupted.
    sentences = answer.get("sentences", ()) if answer.get("interrupted") else ()
    for sentence in sentences:
        click.echo(sentence, err=True)
    click.echo("run the same command again to resume", err=True)


def _require_accepted(outcome: OptimizationOutcome) -> None:
    from edgecnn.errors import GateError

    if not outcome.accepted:
        raise GateError(
            outcome.sentences[0] if outcome.sentences else "no file meets the goal",
            hint="see the closest candidate and the alternatives above",
        )
