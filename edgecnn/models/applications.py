"""The networks of keras.applications, by name: built here, with weights that the user has.

Nothing is downloaded. What their weights were trained on is known for each family
(`preprocess_input` in Keras): BGR minus a mean for ResNet and VGG, −1…1 for MobileNet, the pixels
themselves where the network scales them inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.keras_files import import_keras
from edgecnn.registry import unknown_name
from edgecnn.text import first_line

if TYPE_CHECKING:
    import keras

CLASSES = 1000
"""ImageNet's."""


@dataclass(frozen=True)
class Application:
    """`size` is the height and width that the network was made for, `preset` the preprocessing that
    its weights were trained with (see `preprocessing.PRESETS`), `widths` other values of `alpha`
    for which weights are published.
    """

    name: str
    size: int
    preset: str
    widths: tuple[float, ...] = ()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 3)


def _family(preset: str, sizes: Mapping[str, int], **more: Any) -> list[Application]:
    return [Application(name, size, preset, **more) for name, size in sizes.items()]


APPLICATIONS: Mapping[str, Application] = {
    application.name: application
    for application in (
        Application("MobileNet", 224, "-1..1", (0.25, 0.5, 0.75)),
        Application("MobileNetV2", 224, "-1..1", (0.35, 0.5, 0.75, 1.3, 1.4)),
        Application("MobileNetV3Small", 224, "raw", (0.75,)),
        Application("MobileNetV3Large", 224, "raw", (0.75,)),
        *_family("raw", {"EfficientNetB0": 224, "EfficientNetB1": 240, "EfficientNetB2": 260,
                         "EfficientNetB3": 300, "EfficientNetB4": 380, "EfficientNetB5": 456,
                         "EfficientNetB6": 528, "EfficientNetB7": 600}),
        *_family("raw", {"EfficientNetV2B0": 224, "EfficientNetV2B1": 240, "EfficientNetV2B2": 260,
                         "EfficientNetV2B3": 300, "EfficientNetV2S": 384, "EfficientNetV2M": 480,
                         "EfficientNetV2L": 480}),
        *_family("caffe", dict.fromkeys(("ResNet50", "ResNet101", "ResNet152"), 224)),
        *_family("-1..1", dict.fromkeys(("ResNet50V2", "ResNet101V2", "ResNet152V2"), 224)),
        *_family("imagenet-torch",
                 dict.fromkeys(("DenseNet121", "DenseNet169", "DenseNet201"), 224)),
        *_family("-1..1", {"NASNetMobile": 224, "NASNetLarge": 331}),
        *_family("-1..1", {"InceptionV3": 299, "InceptionResNetV2": 299, "Xception": 299}),
        *_family("caffe", {"VGG16": 224, "VGG19": 224}),
        *_family("raw", dict.fromkeys(("ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase",
                                       "ConvNeXtLarge", "ConvNeXtXLarge"), 224)),
    )
}  # fmt: skip


def is_name(text: str) -> bool:
    """Whether this is the name of a network, in small or large letters."""
    return text.lower() in {name.lower() for name in APPLICATIONS}


def application(text: str) -> Application:
    """The network of this name. Raises InputError with the nearest one for any other."""
    by_name = {name.lower(): network for name, network in APPLICATIONS.items()}
    if text.lower() not in by_name:
        raise unknown(text)
    return by_name[text.lower()]


def unknown(text: str) -> InputError:
    """For a name that none of them has."""
    return unknown_name("network of keras.applications", text, APPLICATIONS)


def build(
    name: str,
    *,
    input_shape: tuple[int, ...] | None = None,
    num_classes: int | None = CLASSES,
    alpha: float = 1.0,
) -> keras.Model:
    """The network with fresh weights; without its classifier where `num_classes` is None.

    Raises InputError for a name that is not known, and for a size that the network does not take.
    """
    known = application(name)
    keras_module = import_keras()
    options: dict[str, Any] = {"alpha": alpha} if known.widths else {}
    if num_classes is None:
        options |= {"include_top": False, "pooling": "avg"}
    else:
        options |= {"classes": num_classes}
    try:
        model: keras.Model = getattr(keras_module.applications, known.name)(
            weights=None, input_shape=input_shape or known.input_shape, **options
        )
    except ValueError as error:
        why = first_line(error, kind=False)
        raise InputError(f"{known.name} cannot be built: {why}") from error
    return model
