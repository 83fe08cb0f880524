"""The search: which files are made, asked about and given up, until the budget is met.

Of each format int8 comes first. Only where it loses too much are other ranges found for it, and
only where it would be the fastest are weights rounded by AdaRound, biases corrected and single
layers kept in float32. Every question is answered on the samples of the search; the claim is
none of its business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.benchmarking.measurement_cache import CachedMeasurement, MeasurementCache
from edgecnn.conversion.converter import Converter
from edgecnn.conversion.layer_names import short_names
from edgecnn.conversion.recipe import PRESETS, Recipe
from edgecnn.conversion.targets import Target, has_every_recipe
from edgecnn.errors import EdgeCNNError
from edgecnn.manifest import Artifact
from edgecnn.optimization.candidates import SearchCandidate, SearchState, SearchStep
from edgecnn.optimization.drops import BoundedDrop, DropEstimator
from edgecnn.optimization.goal import CONFIDENCE, Goal
from edgecnn.optimization.layers import LayerCost, fewest_kept, ranked
from edgecnn.optimization.outcome_text import CLEARLY, decibels, found_of
from edgecnn.optimization.space import CALIBRATIONS, ConfigurationSpace, whole_recipes
from edgecnn.progress import Progress, silent
from edgecnn.results import RuntimeOptions
from edgecnn.results.accuracy_drop import points_of
from edgecnn.runtimes import parse_configuration

MOST_VALIDATIONS = 12
"""Of one file format on one runtime: each is a pass over all samples of the search."""
WORTH_MENDING = 1.05
"""A file that loses too much is improved where it is so much better than the best that does not."""
COSTLIEST = 5
ROUGHLY = 2.0
"""How far a brief latency may be over the limit: a processor that changes its speed puts it off by
up to 1.8. The limit itself is kept by those that are measured in full.
"""


class Search:
    """Runs once; `state` grows while it does."""

    def __init__(
        self,
        converter: Converter,
        space: ConfigurationSpace,
        goal: Goal,
        questions: MeasurementCache,
        judge: DropEstimator,
        *,
        samples: Sequence[npt.NDArray[Any]],
        reference: Sequence[npt.NDArray[Any]],
        claimed: int,
        threads: Sequence[int],
        progress: Progress = silent,
    ) -> None:
        self._converter, self._space, self._goal = converter, space, goal
        self._questions, self._judge = questions, judge
        self._samples, self._reference = samples, reference
        self._claimed = claimed
        self._options = RuntimeOptions(threads=threads[0])
        # A file that is too slow with so many threads may keep the limit with more of them.
        self._latency_known = len(set(threads)) == 1
        self._progress = progress
        self._done = 0
        self.state = SearchState()

    def run(self) -> SearchState:
        """Search every format that a runtime takes; what loses too much is improved last, when it
        is known what it would have to beat.
        """
        lossy = [tried for name in self._space.formats for tried in self._format(name)]
        for tried in sorted(lossy, key=self.cost):
            if has_every_recipe(tried.artifact.format) and self._worth_mending(tried):
                self._mend(tried.artifact.format, tried)
        mendable = [tried for tried in lossy if has_every_recipe(tried.artifact.format)]
        if self.best() is None and not self.state.costs and mendable:
            nearest = min(mendable, key=self.cost)  # what stands in the way is part of the answer
            self._costs(nearest.artifact.format, nearest.recipe, nearest.configuration)
        self._progress("search", self._done, self._done, self._best_so_far())
        return self.state

    def keeps(self, tried: SearchCandidate, *, drop: bool = True) -> bool:
        """Whether a configuration meets the goal, as far as the search knows: the claim's
        samples are expected to show its drop. A rough latency may be twice the limit, and with
        several thread counts says nothing about it.
        """
        goal = self._goal
        over = goal.max_size_bytes is not None and tried.artifact.size_bytes > goal.max_size_bytes
        slow = (
            self._latency_known
            and goal.max_latency_ms is not None
            and tried.rough_ms is not None
            and tried.rough_ms > ROUGHLY * goal.max_latency_ms
        )
        fat = (
            goal.max_memory_bytes is not None
            and tried.peak_bytes is not None
            and tried.peak_bytes > goal.max_memory_bytes
        )
        return not (over or slow or fat or tried.problem) and (not drop or self.holds(tried.drop))

    def holds(self, drop: BoundedDrop | None) -> bool:
        """Whether as many samples as the claim has would show the budget, at the rates found; of
        too few samples to show anything, whether the drop itself lies within it.
        """
        if drop is None:
            return False
        if self._claimed < self._goal.fewest_samples:
            return drop.points <= self._goal.max_drop
        return drop.expected(self._claimed) <= self._goal.max_drop + 1e-9

    def _format(self, file_format: str) -> list[SearchCandidate]:
        """Ask about the usual recipes of a format; the int8 files that lose too much."""
        lossy = self._integers(file_format)
        for name, recipe in whole_recipes(file_format):
            made = self._make(file_format, recipe)
            if made is None:
                continue
            if self._goal.max_size_bytes and made.size_bytes > self._goal.max_size_bytes:
                self._say("skip", made.name, "the file is larger than allowed")
                continue
            for configuration in self._space.configurations[file_format]:
                if not self._dominated(name, configuration, file_format):
                    self._ask(made, recipe, configuration)
        return lossy

    def _integers(self, file_format: str) -> list[SearchCandidate]:
        """Ask about int8 everywhere; where it loses too much. Ranges are the plain ones unless
        these lose too much: others cost nothing at inference, so that only accuracy asks for them.
        """
        recipe = PRESETS[CALIBRATIONS[0]]
        plain = self._make(file_format, recipe)
        if plain is None:
            return []
        where = self._space.configurations[file_format]
        lossy = self._lossy(plain, recipe, where)
        if not lossy or not has_every_recipe(file_format):
            return lossy
        best = self._best_calibration(file_format, plain)
        if best is None:
            return lossy
        return self._lossy(*best, [tried.configuration for tried in lossy])

    def _lossy(
        self, artifact: Artifact, recipe: Recipe, where: Sequence[str]
    ) -> list[SearchCandidate]:
        candidates = [self._ask(artifact, recipe, each) for each in where]
        return [
            tried
            for tried in candidates
            # Outputs that are no answers have no drop, and no better weights make them answers.
            if tried.drop is not None and not tried.problem and not self.holds(tried.drop)
        ]

    def _best_calibration(
        self, file_format: str, plain: Artifact
    ) -> tuple[Artifact, Recipe] | None:
        """The int8 file whose outputs are nearer to the parent's than those of the plain one, of
        those that differ in how ranges are found; None where none is.
        """
        least, best = _snr(plain) + 0.1, None  # a tie stays with the plainer one
        for name in CALIBRATIONS[1:]:
            artifact = self._make(file_format, PRESETS[name])
            if artifact is None:
                continue
            snr = _snr(artifact)
            sentence = f"outputs at {snr:.1f} dB SNR, {_snr(plain):.1f} with plain ranges"
            self._say("calibration", artifact.name, sentence)
            if snr > least:
                least, best = snr + 0.1, (artifact, PRESETS[name])
        return best

    def _dominated(self, recipe: str, configuration: str, file_format: str) -> bool:
        """Whether a file need not be asked about: static int8 meets the goal there, and is faster
        than dynamic int8 wherever it is faster than float32; float16 is what float32 is with half
        the size, but for accelerators, which compute in it. One float file of each format stays,
        as the fallback.
        """
        good = [
            tried
            for tried in self.state.tried
            if tried.configuration == configuration
            and tried.artifact.format == file_format
            and self.keeps(tried)
        ]
        integer = [self.cost(each) for each in good if each.recipe.arithmetic == "static_int8"]
        plain = [self.cost(each) for each in good if each.recipe.arithmetic == "float32"]
        best_integer = min(integer, default=float("inf"))
        int8_wins = bool(integer) and best_integer <= min(plain, default=float("inf"))
        if recipe == "int16x8":
            return bool(integer)
        on_cpu = parse_configuration(configuration)[1] == "cpu"
        return int8_wins and (recipe == "dynamic_int8" or (recipe == "float16" and on_cpu))

    def _may_be_best(self, tried: SearchCandidate) -> bool:
        """Whether what loses too much costs less than the best that does not, by a brief look."""
        best = self.best()
        return best is None or self.cost(tried) < CLEARLY * self.cost(best)

    def _worth_mending(self, tried: SearchCandidate) -> bool:
        good = [self.cost(each) for each in self.state.tried if self.keeps(each)]
        better = not good or self.cost(tried) * WORTH_MENDING < min(good)
        if not better:
            self._say("skip", tried.name, "loses too much, and repaired it would not be the best")
        return better and self.keeps(tried, drop=False)

    def cost(self, tried: SearchCandidate) -> float:
        """What the objective wants little of."""
        costs = {
            "latency": tried.rough_ms,
            "size": float(tried.artifact.size_bytes),
            "memory": tried.peak_bytes,
        }
        cost = costs[self._goal.objective]
        return float("inf") if cost is None else cost

    def _mend(self, file_format: str, lossy: SearchCandidate) -> None:
        """Better weights first, then single layers in float32."""
        recipe = self._levers(file_format, lossy)
        current = self._latest(recipe, lossy)
        if self.holds(current.drop):
            return
        if not self._may_be_shown(current.drop):
            samples = f"{self._claimed:,} samples can show {points_of(self._goal.max_drop)} only"
            self._say("layers", lossy.name, f"not tried: {samples} where no answer changes")
            return
        costs = self._costs(file_format, recipe, lossy.configuration)
        if not costs:
            return
        spent = self.state.validations.get(f"{file_format} on {lossy.configuration}", 0)

        def meets(candidate: Recipe) -> bool | None:
            made = self._make(file_format, candidate)
            if made is None:
                return False
            tried = self._ask(made, candidate, lossy.configuration)
            if self.holds(tried.drop):
                return True
            return False if self._may_be_best(tried) else None

        most = max(4, MOST_VALIDATIONS - spent)
        kept, asked = fewest_kept(costs, recipe, meets, most=most)
        if kept is None:
            found = f"no useful number of layers in float32 is enough ({asked} tried)"
            self._say("layers", lossy.name, found)
        else:
            names = ", ".join(short_names(name for name, _ in kept.per_layer))
            self._say("layers", lossy.name, f"meets the budget with {names} in float32")

    def _may_be_shown(self, drop: BoundedDrop | None) -> bool:
        """Whether the claim could show the budget of a file that changes an answer or two, as one
        with a few layers in float32 does.
        """
        if drop is None or self._claimed < self._goal.fewest_samples:
            return True
        return drop.may_show(self._goal.max_drop, self._claimed)

    def _levers(self, file_format: str, lossy: SearchCandidate) -> Recipe:
        """The recipe with each lever that brings this runtime's outputs nearer to the parent's."""
        recipe = lossy.recipe
        noise = lossy.noise if lossy.noise is not None else float("inf")
        for words, candidate in (
            ("AdaRound", replace(recipe, rounding="adaround")),
            ("corrected biases", None),
        ):
            chosen = candidate or replace(recipe, bias_corrected=True)
            made = self._make(file_format, chosen)
            if made is None:
                continue
            tried = self._ask(made, chosen, lossy.configuration)
            better = tried.noise is not None and tried.noise < noise
            gain = f"{decibels(noise)} → {decibels(tried.noise)} on {lossy.configuration}"
            self._say(
                "lever", f"{words} ({file_format})", f"{gain}, {'kept' if better else 'not kept'}"
            )
            if better and tried.noise is not None:
                recipe, noise = chosen, tried.noise
            if self.holds(tried.drop) and better:
                break
        return recipe

    def _latest(self, recipe: Recipe, lossy: SearchCandidate) -> SearchCandidate:
        """What was found of this recipe where `lossy` was asked about."""
        return next(
            (
                tried
                for tried in reversed(self.state.tried)
                if tried.recipe == recipe
                and tried.configuration == lossy.configuration
                and tried.artifact.format == lossy.artifact.format
            ),
            lossy,
        )

    def _costs(self, file_format: str, recipe: Recipe, configuration: str) -> list[LayerCost]:
        key = f"{file_format} on {configuration}"
        if key not in self.state.costs:
            try:
                self.state.costs[key] = ranked(
                    self._converter,
                    file_format,
                    recipe,
                    self._samples,
                    self._reference,
                    configuration=configuration,
                    threads=self._options.threads,
                    progress=self._progress,
                )
            except EdgeCNNError as error:
                self._say("layers", key, f"layers cannot be compared: {error.message}")
                self.state.costs[key] = []
            for cost in self.state.costs[key][:COSTLIEST]:
                gain = "" if cost.share is None else f"{cost.share:.0%} of the outputs' error"
                names = " + ".join(short_names(cost.tensors))
                self._say("layers", names, gain or f"{cost.noise:.0%} of the noise")
        return self.state.costs[key]

    def _make(self, file_format: str, recipe: Recipe) -> Artifact | None:
        target = Target.of(file_format, recipe)
        outcome = self._converter.make(target)
        if outcome.artifact is None:
            self._say("skip", str(target), outcome.error or outcome.status)
        return outcome.artifact

    def _ask(self, artifact: Artifact, recipe: Recipe, configuration: str) -> SearchCandidate:
        previous = next(
            (
                tried
                for tried in self.state.tried
                if tried.artifact.sha256 == artifact.sha256 and tried.configuration == configuration
            ),
            None,
        )
        if previous is not None:
            return previous
        self._done += 1
        self._progress("search", self._done - 1, self._done + 1, self._best_so_far())
        answer = self._questions.ask(artifact, configuration, self._options)
        key = f"{artifact.format} on {configuration}"
        self.state.validations[key] = self.state.validations.get(key, 0) + 1
        tried = self._judged(artifact, recipe, configuration, answer)
        self.state.tried.append(tried)
        self._say("asked", tried.name, found_of(tried))
        return tried

    def _judged(
        self, artifact: Artifact, recipe: Recipe, configuration: str, answer: CachedMeasurement
    ) -> SearchCandidate:
        measured = answer.measurement
        blank = SearchCandidate(
            artifact, recipe, configuration, rough_ms=answer.rough_ms, measurement=measured
        )
        if not answer.answered:
            return replace(blank, problem=measured.error or measured.status)
        if measured.verdict == "INVALID" and measured.device != "cpu":
            # On a processor all that makes a brief row invalid is its accuracy or its time, which
            # are judged elsewhere; elsewhere it may not have run where it says.
            return replace(blank, problem="; ".join(measured.reasons) or "INVALID")
        if not all(np.isfinite(each).all() for each in answer.outputs):
            return replace(blank, problem="outputs hold NaN or infinity")
        peak = measured.memory["peak_rss_bytes"]
        return replace(
            blank,
            drop=self._judge.drop(answer.outputs, CONFIDENCE),
            noise=self._judge.noise(answer.outputs),
            peak_bytes=None if peak is None else float(peak),
        )

    def _best_so_far(self) -> str:
        best = self.best()
        return f"best so far: {best.name}, {best.rough_ms:.3g} ms" if best and best.rough_ms else ""

    def best(self) -> SearchCandidate | None:
        """The best so far that meets the goal, roughly timed."""
        good = [tried for tried in self.state.tried if tried.rough_ms and self.keeps(tried)]
        return min(good, key=self.cost, default=None)

    def _say(self, stage: str, what: str, finding: str) -> None:
        self.state.path.append(SearchStep(stage, what, finding))


def _snr(artifact: Artifact) -> float:
    """Decibels of the outputs against the parent's, as conversion found them."""
    snr = (artifact.manifest.conversion.get("parity") or {}).get("snr_db")
    return float("inf") if snr is None else float(snr)
