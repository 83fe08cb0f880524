"""An explanation in words and images, before any layout: page and poster draw the same."""

from __future__ import annotations

from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections.answer import answer
from edgecnn.explanation.sections.colors import colors
from edgecnn.explanation.sections.evidence import evidence
from edgecnn.explanation.sections.fields import fields
from edgecnn.explanation.sections.layers import depth, first_layer, layer_list, missing
from edgecnn.explanation.sections.layout_blocks import Section
from edgecnn.explanation.sections.shifts import shift


def sections(explanation: Explanation) -> list[Section]:
    """What there is to show, in the order in which an image goes through the network."""
    wanted = (answer, evidence, first_layer, depth, fields, colors, shift, layer_list)
    made = [section for build in wanted if (section := build(explanation)) is not None]
    if explanation.subject.model is None:
        made.append(missing(explanation))
    return made
