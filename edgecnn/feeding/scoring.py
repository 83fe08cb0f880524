"""Context of a scorer: a data set and a model together."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.data.base import Dataset
from edgecnn.evaluation.tasks import ScoringContext
from edgecnn.manifest import Manifest
from edgecnn.preprocessing import Preprocessing


def scoring_context(
    dataset: Dataset,
    split: str,
    preprocessing: Preprocessing | None,
    manifest: Manifest,
    class_names: Sequence[str] = (),
) -> ScoringContext:
    """The right answers of a split, in the classes of the model that is scored.

    `class_names` are what its user or its file says that the model calls them; a detector's own
    record goes before, and its manifest's labels are for the case that neither says it.
    Raises InputError where the classes of the two cannot be brought together.
    """
    after = manifest.postprocessing
    names = tuple(after.class_names if after else ()) or tuple(class_names) or manifest.labels
    answers = dataset.answers(split, names)
    return ScoringContext(
        answers.ground_truth,
        answers.labels,
        preprocessing,
        manifest.metrics.get("min_score"),
        class_names=names,
        class_ids=answers.class_ids,
        postprocessing=after,
    )
