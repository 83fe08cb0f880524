"""An explanation as one HTML page: no scripts, no network, the report's looks."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.explanation import chart, images
from edgecnn.explanation.explain import Explanation
from edgecnn.explanation.sections import sections
from edgecnn.reporting.assets import read
from edgecnn.reporting.text import clean
from edgecnn.version import __version__

WIDE, NARROW = 1080, 340


def render(found: Explanation) -> str:
    """The page as text; images and chart are inside it."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = (
        [chart.svg(found.curves, width=width) for width in (WIDE, NARROW)] if found.curves else []
    )
    return environment.from_string(read("explain.html.j2")).render(
        css=read("page.css") + read("explain.css"),
        version=__version__,
        title=title(found),
        subtitle=subtitle(found),
        sections=sections(found),
        uri=images.data_uri,
        charts=drawn,
        facts=facts(found),
    )


def title(found: Explanation) -> str:
    """What the page is about."""
    artifact = found.subject.artifact
    return f"What {clean(artifact.manifest.model or artifact.name, 60)} sees"


def subtitle(found: Explanation) -> str:
    """The file and the image."""
    return f"{clean(found.subject.artifact.name)} on {clean(found.picture_name)}"


def facts(found: Explanation) -> Sequence[tuple[str, str]]:
    """Where the page is from."""
    artifact, wants = found.subject.artifact, found.subject.preprocessing
    shape = "×".join(str(side) for side in wants.shape)
    data = artifact.manifest.data.get("name")
    made = [
        ("edgecnn", __version__),
        ("model file", f"{clean(artifact.name)}, sha256 {artifact.sha256[:16]}…"),
        ("trained on", clean(data) if data else "not recorded"),
        ("picture", clean(found.picture_name)),
        ("preprocessing", f"{wants.kind} to {shape}, scale {wants.scale:.6g}, mean "
         f"{_short(wants.mean)}, std {_short(wants.std)}"),
    ]  # fmt: skip
    made += [("measured with it", clean(curve.name)) for curve in found.curves[1:]]
    return made


def _short(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
