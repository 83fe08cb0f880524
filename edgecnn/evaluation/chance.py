"""Test whether accuracy is better than chance: below that, agreement of two models is no evidence.

Chance is what somebody would get who knows how often each class is right and how often the model
answers it, and nothing of the samples; at least 1 of the number of classes. The test is the
exact, one-sided binomial one.
"""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]


def chance_level(ground_truth: Labels, answers: Labels, classes: int) -> float:
    """The share of right answers that guessing gives.

    Σ over classes of (how often it is right) × (how often it is answered), at least 1/classes:
    a model that always answers the most frequent class has exactly that.
    """
    right = np.bincount(ground_truth, minlength=classes) / len(ground_truth)
    answered = answers[answers >= 0]  # −1: no answer
    answer_shares = np.bincount(answered, minlength=classes) / len(ground_truth)
    return max(1 / classes, float((right[:classes] * answer_shares[:classes]).sum()))


def at_least(hits: int, n: int, chance: float) -> float:
    """The probability of `hits` or more right answers among `n` guesses."""
    if hits <= 0 or chance >= 1.0:
        return 1.0
    if hits > n or chance <= 0.0:
        return 0.0
    logs = [
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(chance)
        + (n - k) * log(1.0 - chance)
        for k in range(hits, n + 1)
    ]  # fmt: skip
    most = max(logs)
    return min(1.0, exp(most) * sum(exp(value - most) for value in logs))
