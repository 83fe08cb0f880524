"""Phrases that several sections use."""

from __future__ import annotations

from edgecnn.explanation.explain import Explanation
from edgecnn.text import clean


def label(explanation: Explanation, index: int) -> str:
    return clean(explanation.subject.label(int(index)), 60)
