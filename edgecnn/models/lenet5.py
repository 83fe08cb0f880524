"""LeNet-5: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proceedings of the IEEE 86(11), 1998, fig. 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.models.shapes import check_shapes

if TYPE_CHECKING:
    import keras

SMALLEST = 32
"""Below this C5's 5×5 window does not fit into S4."""
LARGEST = 256


def build(input_shape: tuple[int, int, int] = (32, 32, 1), num_classes: int = 10) -> keras.Model:
    """(batch, 32, 32, 1) → C1 6@28×28 → S2 → C3 16@10×10 → S4 → C5 120 → F6 84 → softmax 10.

    This is the common form with 61,706 parameters at 32×32×1 and 10 classes. The paper's has
    about 60,000 and differs in four places:

    - C3 here sees all six maps of S2 (2,416 parameters); table I of the paper connects each of
      its maps to three, four or six of them (1,516), to save work and to break symmetry.
    - S2 and S4 here average; the paper's subsampling multiplies the sum of four inputs by a
      trainable coefficient, adds a trainable bias (12 and 32 parameters) and squashes.
    - The squashing function is tanh(x), not 1.7159 tanh(2x / 3).
    - The output is a trained dense layer with softmax (850 parameters); the paper's are
      Euclidean RBF units whose centres are fixed drawings of the characters.

    C5 is a convolution as in the paper, so larger pictures give it larger maps.
    Raises InputError for pictures below 32×32 or above 256×256.
    """
    check_shapes("lenet5", input_shape, num_classes, smallest=SMALLEST, largest=LARGEST)
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            layers.Conv2D(6, 5, activation="tanh", name="c1"),
            layers.AveragePooling2D(2, name="s2"),
            layers.Conv2D(16, 5, activation="tanh", name="c3"),
            layers.AveragePooling2D(2, name="s4"),
            layers.Conv2D(120, 5, activation="tanh", name="c5"),
            layers.Flatten(name="flatten"),
            layers.Dense(84, activation="tanh", name="f6"),
            layers.Dense(num_classes, activation="softmax", name="probabilities"),
        ],
        name="lenet5",
    )
