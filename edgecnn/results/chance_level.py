"""Detect accuracies that are no evidence: one class only, chance level, nothing found."""

from __future__ import annotations

from edgecnn.results.output_quality import Accuracy

SIGNIFICANCE = 0.01
"""How often a model that guesses may pass for one that knows something."""

LEAST_PRECISION = 0.01
"""Average precision below which a detector found nothing."""

LEAST_BLEU = 0.01
"""BLEU below which nothing was translated: some words are right by chance."""


def uninformative_reason(accuracy: Accuracy, who: str = "the parent") -> str | None:
    """Why answers of this accuracy are not evidence, None where they are.

    `who` gave them: "the parent", "this row".
    """
    if accuracy.answered == 1 and accuracy.n > 1:
        return (
            f"{who} answers one class for all {accuracy.n} samples ({accuracy.value:.1%} right): "
            "accuracy not meaningful"
        )
    if accuracy.chance_p is not None and accuracy.chance is not None:
        if accuracy.chance_p > SIGNIFICANCE:
            return (
                f"{who} is not better than chance: {accuracy.value:.1%} of {accuracy.n} samples "
                f"right, guessing gives {accuracy.chance:.1%}"
            )
    elif accuracy.metric.startswith("AP") and accuracy.value < LEAST_PRECISION:
        return (
            f"{who} finds nothing ({accuracy.metric} {accuracy.value:.1%} of {accuracy.n} "
            "images): accuracy not meaningful"
        )
    elif accuracy.metric == "BLEU" and accuracy.value < LEAST_BLEU:
        return (
            f"{who} translates nothing (BLEU {100 * accuracy.value:.1f} over {accuracy.n} "
            "sentences): BLEU not meaningful"
        )
    return None
