"""The old names of `edgecnn.text` and `edgecnn.escaping`, for one more release."""

from __future__ import annotations

from edgecnn.deprecation import old_names

__getattr__ = old_names(
    __name__,
    {
        "MESSAGE_LENGTH": "edgecnn.text:MESSAGE_LENGTH",
        "NAME_LENGTH": "edgecnn.text:NAME_LENGTH",
        "clean": "edgecnn.text:clean",
        "csv_cell": "edgecnn.escaping:csv_cell",
        "harmless": "edgecnn.text:printable",
        "json_for_script": "edgecnn.escaping:json_for_script",
        "markdown_cell": "edgecnn.escaping:markdown_cell",
        "shorten": "edgecnn.text:shortened",
    },
)
