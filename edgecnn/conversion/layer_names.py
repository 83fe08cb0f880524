"""Layer names for display."""

from __future__ import annotations

from collections.abc import Iterable

_SCOPES = ("batchnorm", "convolution", "depthwise", "moments", "separable_conv2d")
"""What Keras's layers call a group of their own operators."""


def short_name(tensor: str) -> str:
    """The layer's part of a tensor's name: "model_1/conv_2/Relu;…" is conv_2."""
    parts = [part for part in tensor.partition(";")[0].split("/") if part]
    plain = [
        part for part in parts if not part.startswith(("StatefulPartitionedCall", "functional"))
    ]
    layer = plain[:-1]
    while len(layer) > 1 and layer[-1] in _SCOPES:
        layer.pop()
    return layer[-1] if layer else plain[0] if plain else tensor


def short_names(tensors: Iterable[str]) -> list[str]:
    """The layers that these tensors are of, each once, in their order."""
    return list(dict.fromkeys(short_name(tensor) for tensor in tensors))
