"""LeNet-5: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86(11), 1998, fig. 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.blocks import scaled
from edgecnn.models.shapes import check_shapes
from edgecnn.registry import lookup

if TYPE_CHECKING:
    import keras

SMALLEST = 32
"""Below this C5's 5×5 window does not fit into S4."""
LARGEST = 256
SPACE = {
    "width": {"low": 0.25, "high": 2.0, "step": 0.25, "first": 1.0},
    "kernel": {"choices": [3, 5], "first": 5},
    "pooling": {"choices": ["average", "max"], "first": "average"},
    "activation": {"choices": ["tanh", "relu"], "first": "tanh"},
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.1, "first": 0.0},
}
"""What `edgecnn search` may change; `first` is the paper's."""


def build(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    num_classes: int = 10,
    *,
    width: float = 1.0,
    kernel: int = 5,
    pooling: str = "average",
    activation: str = "tanh",
    dropout: float = 0.0,
) -> keras.Model:
    """(batch, 32, 32, 1) → C1 6@28×28 → S2 → C3 16@10×10 → S4 → C5 120 → F6 84 → softmax 10.

    This is the common form with 61,706 parameters at 32×32×1 and 10 classes. The paper's has
    about 60,000 and differs in four places:

    - C3 here sees all six maps of S2 (2,416 parameters); table I of the paper connects each of
      its maps to three, four or six of them (1,516), to save work and to break symmetry.
    - S2 and S4 here average; the paper's subsampling multiplies the sum of four inputs by a
      trainable coefficient, adds a trainable bias (12 and 32 parameters) and squashes.
    - The squashing function is tanh(x), not 1.7159 tanh(2x / 3).
    - The output is a trained dense layer with softmax (850 parameters); the paper's are
      Euclidean RBF units whose centers are fixed drawings of the characters.

    C5 is a convolution as in the paper, so larger images give it larger maps.
    `width` multiplies the channels, `kernel` is the side of all windows, `pooling` "average" or
    "max"; `dropout` stands before the output.
    Raises InputError for images below 32×32 or above 256×256.
    """
    check_shapes("lenet5", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    def conv(channels: int, name: str) -> keras.Layer:
        return layers.Conv2D(scaled(channels, width), kernel, activation=activation, name=name)

    pools = {"average": layers.AveragePooling2D, "max": layers.MaxPooling2D}
    pool = lookup("pooling", pooling, pools)
    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            conv(6, "c1"),
            pool(2, name="s2"),
            conv(16, "c3"),
            pool(2, name="s4"),
            conv(120, "c5"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(84, width), activation=activation, name="f6"),
            *([layers.Dropout(dropout, name="dropout")] if dropout else []),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="lenet5",
    )
