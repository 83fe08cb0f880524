"""An explanation as one HTML page: no scripts, no network, the report's looks."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.explanation import chart, images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections import sections
from edgecnn.reporting.assets import read
from edgecnn.text import clean
from edgecnn.version import __version__

WIDE, NARROW = 1080, 340


def render(explanation: Explanation) -> str:
    """The page as text; images and chart are inside it."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = (
        [chart.svg(explanation.curves, width=width) for width in (WIDE, NARROW)]
        if explanation.curves
        else []
    )
    return environment.from_string(read("explain.html.j2")).render(
        css=read("page.css") + read("explain.css"),
        version=__version__,
        title=title(explanation),
        subtitle=subtitle(explanation),
        sections=sections(explanation),
        uri=images.data_uri,
        charts=drawn,
        facts=facts(explanation),
    )


def title(explanation: Explanation) -> str:
    """What the page is about."""
    artifact = explanation.subject.artifact
    return f"What {clean(artifact.manifest.model or artifact.name, 60)} sees"


def subtitle(explanation: Explanation) -> str:
    """The file and the image."""
    return f"{clean(explanation.subject.artifact.name)} on {clean(explanation.image_name)}"


def facts(explanation: Explanation) -> Sequence[tuple[str, str]]:
    """Where the page is from."""
    artifact, wants = explanation.subject.artifact, explanation.subject.preprocessing
    shape = "×".join(str(side) for side in wants.shape)
    data = artifact.manifest.data.get("name")
    made = [
        ("edgecnn", __version__),
        ("model file", f"{clean(artifact.name)}, sha256 {artifact.sha256[:16]}…"),
        ("trained on", clean(data) if data else "not recorded"),
        ("picture", clean(explanation.image_name)),
        ("preprocessing", f"{wants.kind} to {shape}, scale {wants.scale:.6g}, mean "
         f"{_short(wants.mean)}, std {_short(wants.std)}"),
    ]  # fmt: skip
    made += [("measured with it", clean(curve.name)) for curve in explanation.curves[1:]]
    return made


def _short(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
