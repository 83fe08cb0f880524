"""Translation as a task: BLEU and chrF by sacrebleu, with a bootstrap over sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.evaluation.tasks import Outputs, ScoringContext
from edgecnn.preprocessing import SubwordPreprocessing
from edgecnn.registry import require
from edgecnn.results import Accuracy
from edgecnn.sequences.search import unpadded

RESAMPLES = 1000
SEED = 20_260_103
"""Of the sentences that a resample holds: the same results, the same interval."""
_ORDER = 4

Statistics = npt.NDArray[np.float64]
"""(sentences, 10): matches and counts of n-grams of 1 to 4 words, words answered and expected."""


class TranslationScorer:
    """Scores ids (n, length) that a network answered against sentences.

    BLEU is sacrebleu's (Post 2018), as a share: 0.45 is what papers call 45. Raises InputError
    where the samples did not become subwords, MissingDependencyError without sacrebleu.
    """

    trained_metric = "test_bleu"

    def __init__(self, context: ScoringContext) -> None:
        if not isinstance(context.preprocessing, SubwordPreprocessing):
            raise InputError(
                "the model's vocabulary is unknown",
                hint="its manifest needs a preprocessing of kind 'subwords'",
            )
        require("sacrebleu", "translate")
        self._ground_truth = [str(text) for text in context.ground_truth]
        self._words = context.preprocessing

    def accepts(self, outputs: Outputs) -> bool:
        return (
            len(outputs) == 1
            and outputs[0].ndim == 2
            and np.asarray(outputs[0]).dtype.kind in "iu"
            and len(outputs[0]) == len(self._ground_truth)
        )

    def ordered(self, outputs: Outputs) -> Outputs:
        return outputs

    def texts(self, outputs: Outputs) -> list[str]:
        """The sentences that were answered."""
        return [self._words.decode(unpadded(row)) for row in np.asarray(outputs[0])]

    def accuracy(self, outputs: Outputs) -> Accuracy:
        """BLEU, its 95% interval by bootstrap over the sentences; chrF with it."""
        from sacrebleu.metrics import BLEU, CHRF
        from sacrebleu.significance import PairedTest

        texts = self.texts(outputs)
        bleu, chrf = BLEU(), CHRF()
        score = bleu.corpus_score(texts, [self._ground_truth])
        resampled = _resampled(_statistics(texts, self._ground_truth))
        _, results = PairedTest(
            [("", texts)], {"chrF": chrf}, [self._ground_truth], test_type="bs", n_samples=RESAMPLES
        )()
        (characters,) = next(values for name, values in results.items() if name != "System")
        low, high = np.percentile(resampled, (2.5, 97.5))
        return Accuracy(
            "BLEU",
            float(score.score) / 100,
            len(texts),
            (float(low), float(high)),
            further={
                "chrf": float(characters.score) / 100,
                "chrf_ci95": [
                    float(characters.mean - characters.ci) / 100,
                    float(characters.mean + characters.ci) / 100,
                ],
                "brevity_penalty": float(score.bp),
                "signature": str(bleu.get_signature()),
                "chrf_signature": str(chrf.get_signature()),
                "tokens": sum(len(unpadded(row)) + 1 for row in np.asarray(outputs[0])),
            },
        )

    def with_parent(self, accuracy: Accuracy, outputs: Outputs, reference: Outputs) -> Accuracy:
        """With the paired bootstrap (Koehn 2004): both answer the same resampled sentences."""
        from sacrebleu.metrics import BLEU

        ours, theirs = (self.texts(each) for each in (outputs, reference))
        value = float(BLEU().corpus_score(theirs, [self._ground_truth]).score) / 100
        drops = _resampled(_statistics(theirs, self._ground_truth)) - _resampled(
            _statistics(ours, self._ground_truth)
        )
        low, high = np.percentile(drops, (2.5, 97.5))
        drop = value - accuracy.value
        beyond = int((np.abs(drops - drops.mean()) >= abs(drop) - 1e-12).sum())
        return replace(
            accuracy,
            parent_value=value,
            drop_ci95=(float(low), float(high)),
            paired_p=1.0 if ours == theirs else (beyond + 1) / (len(drops) + 1),
        )


def _statistics(texts: Sequence[str], ground_truth: Sequence[str]) -> Statistics:
    """What BLEU adds up over sentences."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True)  # of one sentence; counts do not depend on it
    rows: list[list[Any]] = []
    for text, wanted in zip(texts, ground_truth, strict=True):
        score = metric.sentence_score(text, [wanted])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return np.asarray(rows, np.float64)


def _resampled(statistics: Statistics) -> npt.NDArray[np.float64]:
    """BLEU (0 … 1) of sentences drawn with replacement, the same ones for every model."""
    from sacrebleu.metrics import BLEU

    rng = np.random.default_rng(SEED)
    count = len(statistics)
    scores = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        total = statistics[rng.integers(0, count, count)].sum(axis=0)
        score = BLEU.compute_bleu(
            correct=total[:_ORDER].astype(int).tolist(),
            total=total[_ORDER : 2 * _ORDER].astype(int).tolist(),
            sys_len=int(total[-2]),
            ref_len=int(total[-1]),
        )
        scores[index] = score.score / 100
    return scores
