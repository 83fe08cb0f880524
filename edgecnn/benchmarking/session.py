"""The old place of `edgecnn.benchmarking.benchmark`, for one more release: a session is a model
that a runtime has loaded.
"""

from __future__ import annotations

from edgecnn.deprecation import old_names

__getattr__ = old_names(
    __name__,
    {
        "DEFAULT_PASSES": "edgecnn.benchmarking.benchmark:DEFAULT_PASSES",
        "benchmark": "edgecnn.benchmarking.benchmark:benchmark",
    },
)
