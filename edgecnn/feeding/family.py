"""Recognize networks of keras.applications by the names of their layers.

Their weights were trained on inputs that `preprocess_input` made outside of the network. Those
that scale inside begin with a layer that says so; MobileNetV3 and EfficientNetV2 are here for the
case that it was left out (`include_preprocessing=False`). EfficientNet, where it cannot be, and
ConvNeXt are not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """`layers` are all there and none of `without` is."""

    name: str
    preset: str
    layers: frozenset[str]
    without: frozenset[str] = field(default_factory=frozenset)


def _family(name: str, preset: str, layers: str, without: str = "") -> Family:
    return Family(name, preset, frozenset(layers.split()), frozenset(without.split()))


FAMILIES = (
    _family("MobileNet", "-1..1", "conv1 conv_dw_1 conv_pw_1 conv_dw_6 conv_pw_6"),
    _family("MobileNetV2", "-1..1", "Conv1 expanded_conv_project block_1_expand block_6_project"),
    _family("MobileNetV3", "-1..1", "conv conv_bn expanded_conv_depthwise expanded_conv_project"),
    _family("InceptionV3", "-1..1", "mixed0 mixed1 mixed3 mixed5", "mixed_5b"),
    _family("InceptionResNetV2", "-1..1", "mixed_5b block35_1_mixed block35_1_ac"),
    _family("Xception", "-1..1", "block1_conv1 block1_conv1_bn block2_sepconv1 block4_sepconv2"),
    _family("NASNet", "-1..1", "stem_conv1 stem_bn1 reduction_conv_1_stem_1"),
    _family("ResNetV2", "-1..1", "conv1_conv conv2_block1_preact_bn conv3_block1_preact_bn"),
    _family(
        "ResNet",
        "caffe",
        "conv1_conv conv1_bn conv2_block1_1_conv conv2_block1_out conv3_block1_out",
        "conv2_block1_preact_bn",
    ),
    _family("VGG", "caffe", "block1_conv1 block1_conv2 block2_conv2 block3_conv3 block3_pool",
            "block1_conv1_bn"),
    _family("DenseNet", "imagenet-torch", "conv1_conv conv2_block1_0_bn conv2_block6_concat"),
    _family("EfficientNetV2", "-1..1", "stem_conv stem_bn block1a_project_conv block2a_expand_conv",
            "block1a_dwconv"),
)  # fmt: skip


def family_of(layers: Iterable[str]) -> Family | None:
    """The family whose layers these are; None for a network of another make."""
    names = set(layers)
    return next(
        (family for family in FAMILIES if family.layers <= names and not family.without & names),
        None,
    )
