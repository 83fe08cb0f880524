"""What a verification of a file shows: how it was fed, and whether it does what its parent does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.manifest import Manifest
    from edgecnn.preprocessing import Fed
    from edgecnn.results import Parity


def fed_text(fed: Fed | None, manifest: Manifest | None = None) -> str:
    """What was fed, in a line; synthetic samples as the `manifest` of the artifact names them."""
    if fed is not None:
        return fed.sentence
    recorded = manifest.conversion.get("verification", {}) if manifest else {}
    return f"fed {recorded.get('data', 'synthetic samples')}: no --data"


def parity_text(parity: Parity | None) -> str:
    """Parity in a few words; none where nothing was compared."""
    from edgecnn.evaluation.parity_findings import summary

    return summary(parity) if parity is not None else ""
