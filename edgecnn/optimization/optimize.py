"""Which file to ship: search, time what is left, claim on fresh samples, and answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import scratch, selection
from edgecnn.benchmarking.ask import Questions
from edgecnn.benchmarking.plan import Configuration
from edgecnn.benchmarking.protocol import PROFILES, Protocol
from edgecnn.benchmarking.session import benchmark
from edgecnn.claims import exclusive
from edgecnn.conversion.convert import Converter, opened
from edgecnn.data.base import Dataset, Split
from edgecnn.embedded_manifest import load_artifact
from edgecnn.errors import InputError
from edgecnn.files import read_json_file, write_text_atomically
from edgecnn.manifest import Artifact, Manifest
from edgecnn.optimization import words
from edgecnn.optimization.drops import Drop, Judge
from edgecnn.optimization.goal import CONFIDENCE, Goal
from edgecnn.optimization.layers import SAMPLES
from edgecnn.optimization.outcome import Outcome, Timed
from edgecnn.optimization.parts import Parts, divide
from edgecnn.optimization.search import Found, Search, Tried
from edgecnn.optimization.space import Space, devices, explore
from edgecnn.preprocessing import Preprocessing
from edgecnn.progress import Progress, silent
from edgecnn.proof import proves_nothing
from edgecnn.reporting.rows import collect
from edgecnn.results import Measurement, Results, RuntimeOptions

SETTINGS_FILE = "optimize.json"
ANSWER_FILE = "answer.json"
RESULTS_FILE = "results.json"
RECIPE_FILE = "recipe.json"

MOST_TIMED = 6
"""Files on runtimes that are timed in paired rounds."""
DOMINATED = 1.5
"""So many times the roughly fastest: never timed."""
MOST_CLAIMS = MOST_TIMED + 1
DRAWS = 2_000


@dataclass(frozen=True)
class Settings:
    """What decides the answer beside the model and the data; a resumed run has the same."""

    goal: Goal = field(default_factory=Goal)
    runtimes: tuple[str, ...] = ("all",)
    threads: tuple[int, ...] = (1,)
    seed: int = 0
    samples: int = 256
    protocol: Protocol = PROFILES["quick"]


def optimize(
    model: Path | str,
    data: Dataset,
    settings: Settings,
    out: Path,
    *,
    preprocessing: Preprocessing | str | None = None,
    allow_unsafe: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Search for the file and the runtime that keep the goal best; everything lies in `out`.

    `out/artifacts` holds the files, `results.json` the latencies of the finalists, `answer.json`
    the outcome and `recipe.json` how the chosen file is made. Interrupted (KeyboardInterrupt), it
    leaves the best so far in `answer.json`; the same call resumes.

    Raises InputError for settings that make no sense, data that are too few to divide, and a
    folder that holds another optimization (unless `force`).
    """
    started = time.monotonic()
    devices(settings.runtimes)
    model = Path(model)
    known = load_artifact(model).manifest if model.is_file() else Manifest()
    parts = divide(data, known, seed=settings.seed)
    with exclusive(out):
        _claim_folder(out, _settings_record(model, data, settings), force=force)
        with (
            opened(
                model,
                calibration=parts.search,
                out=out / "artifacts",
                samples=settings.samples,
                seed=settings.seed,
                force=force,
                allow_unsafe=allow_unsafe,
                preprocessing=preprocessing,
            ) as converter,
            scratch.folder() as work,
        ):
            run = _Run(
                converter,
                parts,
                settings,
                out=out,
                work=work,
                preprocessing=preprocessing,
                progress=progress,
            )
            try:
                outcome = run.outcome()
            except KeyboardInterrupt:
                so_far = run.interrupted()
                if so_far is not None:
                    _save(replace(so_far, seconds=time.monotonic() - started), out)
                raise
    outcome = replace(outcome, seconds=time.monotonic() - started)
    _save(outcome, out)
    return outcome


class _Run:
    """One optimization from the first file to the claim."""

    def __init__(
        self,
        converter: Converter,
        parts: Parts,
        settings: Settings,
        *,
        out: Path,
        work: Path,
        preprocessing: Preprocessing | str | None,
        progress: Progress,
    ) -> None:
        self._converter, self._parts, self._settings = converter, parts, settings
        self._out, self._work, self._progress = out, work, progress
        self._option = preprocessing
        self._space = Space({}, ())
        self._search: Search | None = None

    def outcome(self) -> Outcome:
        parts, goal = self._parts, self._settings.goal
        reference, judge = self._judge(parts.search)
        nothing = proves_nothing(judge.parent) if judge.parent else None
        if judge.parent is None or nothing:
            raise InputError(
                nothing or "the model's outputs are no answers to these data",
                hint="give the data that the model was made for, and the right --preprocessing",
            )
        self._space = explore(self._converter, self._settings.runtimes, progress=self._progress)
        self._search = Search(
            self._converter,
            self._space,
            goal,
            self._questions(parts.search, "search"),
            judge,
            samples=list(self._tensors(parts.search["test"], SAMPLES)),
            reference=reference,
            claimed=len(parts.claim["test"]),
            threads=self._settings.threads[0],
            progress=self._progress,
        )
        found = self._search.run()
        good = [tried for tried in found.tried if self._search.keeps(tried)]
        if not good:
            return self._none(found)
        finalists = _undominated(good, goal)
        timed = self._timed(finalists)
        return self._claimed(found, timed)

    def interrupted(self) -> Outcome | None:
        """What is known so far; None before anything is."""
        if self._search is None or not self._search.found.tried:
            return None
        found, best = self._search.found, self._search.best()
        sentence = (
            f"interrupted; best so far, roughly timed and not claimed: {best.name}"
            if best
            else "interrupted before anything kept the goal"
        )
        return replace(self._base(found), interrupted=True, nearest=best, sentences=(sentence,))

    def _judge(self, data: Dataset) -> tuple[list[npt.NDArray[Any]], Judge]:
        """The parent's outputs for a test split, and what compares others with them."""
        manifest = self._converter.parent
        preprocessing = manifest.preprocessing
        assert preprocessing is not None  # with data nobody gets here without
        reference = self._converter.reference(self._tensors(data["test"], None))
        return reference, Judge(data, manifest, preprocessing, reference)

    def _tensors(self, split: Split, most: int | None) -> Iterator[npt.NDArray[Any]]:
        preprocessing = self._converter.parent.preprocessing
        assert preprocessing is not None
        for index in range(len(split) if most is None else min(most, len(split))):
            yield preprocessing(split.samples[index])[None]

    def _questions(self, data: Dataset, name: str) -> Questions:
        return Questions(
            self._out / "answers" / name,
            data,
            self._work / name,
            preprocessing=self._option,
        )

    def _timed(self, finalists: Sequence[Tried]) -> list[Timed]:
        """Latency of the finalists in interleaved rounds, with samples of the search."""
        wanted = {(each.artifact.sha256, each.configuration): each for each in finalists}
        path = self._out / RESULTS_FILE
        previous = Results.load(path) if path.exists() else None

        def is_wanted(row: Configuration) -> bool:
            return (row.artifact.sha256, f"{row.runtime}:{row.device}") in wanted

        results = benchmark(
            _distinct([each.artifact for each in finalists]),
            tuple(dict.fromkeys(each.configuration for each in finalists)),
            threads=self._settings.threads,
            protocol=self._settings.protocol,
            data=self._parts.search,
            preprocessing=self._option,
            passes=("response",),
            out=path,
            previous=previous,
            wanted=is_wanted,
            progress=self._progress,
        )
        rows = [
            (wanted[row.artifact.sha256, row.configuration], row)
            for row in results.measurements
            if (row.artifact.sha256, row.configuration) in wanted
            and row.options.threads in self._settings.threads
        ]
        chances = _chances([row for _, row in rows])
        return [
            Timed(tried, row, chance) for (tried, row), chance in zip(rows, chances, strict=True)
        ]

    def _claimed(self, found: Found, timed: Sequence[Timed]) -> Outcome:
        """Take the best of the measured, and judge it on the claim's samples; the next where that
        shows that too much is lost.
        """
        goal = self._settings.goal
        base = replace(self._base(found), timed=tuple(timed))
        left = list(timed)
        data = self._parts.claim
        _, judge = self._judge(data)
        questions = self._questions(data, "claim")
        first: tuple[Timed, Drop] | None = None
        refused: list[str] = []
        for number in range(1, MOST_CLAIMS + 1):
            choice = _chosen(left, goal)
            if choice is None:
                break
            self._progress("claim", number - 1, number, choice.name)
            options = RuntimeOptions(threads=choice.threads)
            answer = questions.ask(choice.tried.artifact, choice.tried.configuration, options)
            claim = judge.drop(answer.outputs, CONFIDENCE) if answer.answered else None
            self._progress("claim", number, number)
            if claim is not None and claim.within(goal.max_drop):
                others = [each for each in timed if each is not choice]
                return replace(
                    base,
                    accepted=True,
                    choice=choice,
                    claim=claim,
                    claims=number,
                    sentences=(
                        words.shipped(choice, claim, goal),
                        words.sure(choice, others),
                        *refused,
                    ),
                    changes=tuple(words.changes(choice, found.tried, goal)),
                )
            if claim is not None:
                refused.append(words.refused(choice, claim, goal))
                first = first or (choice, claim)
            left = [each for each in left if each is not choice]
        return self._unproven(base, found, first, refused)

    def _unproven(
        self,
        base: Outcome,
        found: Found,
        first: tuple[Timed, Drop] | None,
        refused: Sequence[str],
    ) -> Outcome:
        """Nothing was shown to keep the budget: too much is lost, or the samples are too few."""
        goal = self._settings.goal
        if first is None:
            return self._none(found, base)
        choice, claim = first
        return replace(
            base,
            choice=choice,
            claim=claim,
            claims=len(refused),
            nearest=choice.tried,
            sentences=(f"nothing is shown to keep the goal: {goal.words}", *refused),
            ways_out=tuple(words.ways_out(found.tried, goal)),
            changes=tuple(words.changes(choice, found.tried, goal)),
        )

    def _none(self, found: Found, base: Outcome | None = None) -> Outcome:
        goal = self._settings.goal
        near = words.nearest(found.tried, goal)
        said = [f"nothing keeps the goal: {goal.words}"]
        said += words.in_the_way(near, goal, found.costs)
        claimed = len(self._parts.claim["test"])
        if claimed < goal.fewest_samples:
            said.append(words.too_few(claimed, goal, None))
        return replace(
            base or self._base(found),
            nearest=near,
            sentences=tuple(said),
            ways_out=tuple(words.ways_out(found.tried, goal)),
            changes=tuple(words.changes(None, found.tried, goal)),
        )

    def _base(self, found: Found) -> Outcome:
        return Outcome(
            goal=self._settings.goal,
            model=self._converter.source.name,
            parts=self._parts.record(),
            accepted=False,
            choice=None,
            claim=None,
            tried=tuple(found.tried),
            path=tuple(found.path),
            costs=found.costs,
            obstacles=self._space.obstacles,
            validations=found.validations,
        )


def _undominated(good: Sequence[Tried], goal: Goal) -> list[Tried]:
    """What is worth timing: nothing that is roughly half as fast as another, but always the best
    file that computes in float32, which is left when the claim refuses all others.
    """
    costs: Mapping[str, Callable[[Tried], float | None]] = {
        "latency": lambda each: each.rough_ms,
        "size": lambda each: each.artifact.size_bytes,
        "memory": lambda each: each.peak_bytes,
    }
    cost = costs[goal.objective]
    ranked = sorted(good, key=lambda each: cost(each) or float("inf"))
    least = (cost(ranked[0]) or float("inf")) * (DOMINATED if goal.objective == "latency" else 99)
    kept = [each for each in ranked if (cost(each) or float("inf")) <= least][:MOST_TIMED]
    fallback = next((each for each in ranked if each.recipe.activations == "float32"), None)
    return kept if fallback is None or fallback in kept else [*kept, fallback]


def _distinct(artifacts: Sequence[Artifact]) -> list[Artifact]:
    return list({each.sha256: each for each in artifacts}.values())


def _chosen(timed: Sequence[Timed], goal: Goal) -> Timed | None:
    """The best by the function that the report chooses by. What the search let pass has kept the
    budget on its samples, so that the drop is not judged here once more.
    """
    if not timed:
        return None
    rows = collect([Results(measurements=tuple(each.measurement for each in timed))])
    usable = [row for row in rows if row.measured]
    limits = replace(goal.limits, drop=None)
    best = selection.choose(usable, limits).best
    return None if best is None else timed[best.id]


def _chances(rows: Sequence[Measurement]) -> list[float | None]:
    """How often each row is the fastest when the rounds that all have are drawn with repetition."""
    medians = [row.round_medians_ms for row in rows]
    shared = sorted(set.intersection(*(set(each) for each in medians))) if medians else []
    if len(shared) < 3:
        return [None] * len(rows)
    logs = np.log([[each[number] for number in shared] for each in medians])
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(shared), (DRAWS, len(shared)))
    fastest = logs[:, drawn].mean(axis=2).argmin(axis=0)
    return [float((fastest == index).mean()) for index in range(len(rows))]


def _settings_record(model: Path, data: Dataset, settings: Settings) -> dict[str, Any]:
    artifact = load_artifact(model) if model.is_file() else None
    goal = settings.goal
    return {
        "model": artifact.sha256 if artifact else str(model),
        "data": data.sha256,
        "goal": [
            goal.max_drop,
            goal.max_latency_ms,
            goal.max_memory_bytes,
            goal.max_size_bytes,
            goal.objective,
        ],
        "runtimes": list(settings.runtimes),
        "threads": list(settings.threads),
        "seed": settings.seed,
        "samples": settings.samples,
        "protocol": settings.protocol.to_dict(),
    }


def _claim_folder(out: Path, wanted: dict[str, Any], *, force: bool) -> None:
    """Make `out` the folder of these settings, or find that it is another optimization's."""
    path = out / SETTINGS_FILE
    if path.exists() and not force:
        there = read_json_file(path)
        there = there if isinstance(there, dict) else {}
        wanted = json.loads(json.dumps(wanted))
        # Another goal over the same files resumes: what was asked stays answered.
        different = sorted(
            name for name in wanted if name != "goal" and there.get(name) != wanted[name]
        )
        if different:
            raise InputError(
                f"{out} holds an optimization with other settings ({', '.join(different)})",
                hint="choose another --out, or pass --force to start over there",
            )
    elif out.is_dir() and any(out.iterdir()) and not path.exists() and not force:
        raise InputError(
            f"{out} is not empty and holds no optimization",
            hint="choose another --out, or pass --force",
        )
    elif force:
        for name in (RESULTS_FILE, ANSWER_FILE, RECIPE_FILE):
            (out / name).unlink(missing_ok=True)
    write_text_atomically(path, json.dumps(wanted, indent=2) + "\n")


def _save(outcome: Outcome, out: Path) -> None:
    write_text_atomically(out / ANSWER_FILE, json.dumps(outcome.to_dict(), indent=2) + "\n")
    if outcome.choice is not None:
        recipe = outcome.choice.tried.recipe.to_dict()
        write_text_atomically(out / RECIPE_FILE, json.dumps(recipe, indent=2) + "\n")
