"""Findings of a parity check in words: equivalent outputs, different outputs, or inconclusive."""

from __future__ import annotations

from edgecnn.evaluation.parity import FOLLOWS_DB, LITTLE_VARIATION, LOST_DB, NO_VARIATION
from edgecnn.results import Parity, PartParity

PASS_DB = 20.0
"""Below it (error above a tenth of the signal's amplitude) agreement alone shows nothing."""
LEAST_SAME = 0.5
"""Share of ids below which answers are not those of the parent. One other word early in an answer
shifts all behind it, so that a good file may well have 80%."""
WORST_DB = 10.0
"""Below it (a third) not even an accuracy that held makes the outputs those of the parent."""


def inconclusive_reason(parity: Parity) -> str | None:
    """Why the comparison is inconclusive; None where it is not."""
    variation = parity.variation
    if variation is None:
        return None
    if variation <= NO_VARIATION:
        return (
            f"parity is inconclusive: the parent's outputs are identical for all {parity.n} samples"
        )
    follows = parity.follows_db
    if len({part.lost for part in parity.parts}) > 1:  # a part is lost, the others are not
        return None
    if variation <= LITTLE_VARIATION and follows is not None and follows < FOLLOWS_DB:
        return (
            f"parity is inconclusive: the parent's outputs vary over {parity.n} samples by "
            f"{variation:.1g} of their size only, no more than the file's error"
        )
    return None


def unrelated_outputs(parity: Parity) -> str | None:
    """That the error is as large as what distinguishes one sample from another."""
    follows = parity.follows_db
    if parity.variation is None or follows is None or follows >= LOST_DB:
        return None
    return (
        "the file's error is as large as the differences between samples in the parent's outputs "
        f"({parity.variation:.1%} of their size): the outputs appear unrelated"
    )


def lost_parts(parity: Parity) -> tuple[str, ...]:
    """The parts of which nothing is left, each in a sentence."""
    return tuple(_lost(part) for part in parity.parts if part.lost)


def low_snr(parity: Parity, limit: float = PASS_DB) -> str | None:
    """That an output is further off than `limit` allows, None where all are near."""
    worst = min(
        (part for part in parity.parts if part.snr_db is not None),
        key=lambda part: part.snr_db or 0.0,
        default=None,
    )
    snr, name = parity.snr_db, ""
    if worst is not None and worst.snr_db is not None and (snr is None or worst.snr_db < snr):
        snr = worst.snr_db
        name = f" in {_where(worst)}" if len(parity.parts) > 1 else ""
    if snr is None or snr >= limit:
        return None
    return f"SNR {snr:.1f} dB{name} is below {limit:g} dB: the outputs are not the parent's"


def constant_class(parity: Parity) -> str | None:
    """Why agreement on the best class is not meaningful, or that the file's class is constant."""
    if parity.parent_classes == 1 and parity.n > 1:
        return (
            f"the parent answers one class for all {parity.n} samples: agreement is not meaningful"
        )
    if parity.classes == 1 and parity.n > 1:
        return f"the file answers one class for all {parity.n} samples, the parent several"
    return None


def differing_answers(parity: Parity) -> str | None:
    """That most of a sequence model's answers are not the parent's."""
    if parity.same_ids is None or parity.same_ids >= LEAST_SAME:
        return None
    return (
        f"only {parity.same_ids:.0%} of the ids in {parity.n} answers are the parent's: the file "
        "does not answer as it does"
    )


def findings(parity: Parity) -> tuple[str, ...]:
    """All that speaks against the file, or against what was compared."""
    if parity.same_ids is not None:
        others = differing_answers(parity)
        return (others,) if others else ()
    nothing = inconclusive_reason(parity)
    if nothing is not None:
        return (nothing,)
    gone = lost_parts(parity)
    reasons = gone or (low_snr(parity) or unrelated_outputs(parity),)
    return tuple(sentence for sentence in (*reasons, constant_class(parity)) if sentence)


def summary(parity: Parity) -> str:
    """Parity in a few words."""
    if parity.same_ids is not None:
        return (
            f"{parity.top1_agreement or 0.0:.1%} of {parity.n} answers are the parent's, "
            f"{parity.same_ids:.1%} of their ids"
        )
    if inconclusive_reason(parity) is not None:
        return "parity is inconclusive: the parent's outputs hardly vary"
    snr = "identical" if parity.snr_db is None else f"SNR {parity.snr_db:.1f} dB"
    agreement = parity.top1_agreement
    same = ""
    if agreement is not None:
        same = ", top-1 not meaningful (one class)"
        if parity.parent_classes is None or parity.parent_classes > 1:
            same = f", top-1 agrees {agreement:.2%}"
    return f"max error {parity.max_abs_error:.2g}, {snr}{same}"


def _lost(part: PartParity) -> str:
    constant = f", every value is {part.left:.4g}" if part.left is not None else ""
    step = f", the output's step is {part.step:.3g}" if part.step is not None else ""
    return f"{_where(part)}: range {part.low:.3g}…{part.high:.3g}{step}{constant}: lost"


def _where(part: PartParity) -> str:
    return f"{part.output} {part.part}".strip()
