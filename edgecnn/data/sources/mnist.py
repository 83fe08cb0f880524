"""MNIST: 70,000 handwritten digits, 28×28 (LeCun, Cortes, Burges 1998), from its four IDX files.

Any data set of ten classes under the same four names fits too (Kuzushiji-MNIST).
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.base import Dataset
from edgecnn.data.files.download import RemoteFile
from edgecnn.data.sources.idx_set import IdxSet

LABELS = tuple("0123456789")
SOURCE = "MNIST handwritten digits (LeCun, Cortes, Burges 1998; CC BY-SA 3.0)"

# The authors' own site stopped serving the files; these two hold them byte for byte.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

FILES = {
    "train-images-idx3-ubyte": RemoteFile(
        9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte": RemoteFile(
        28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte": RemoteFile(
        1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte": RemoteFile(
        4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
"""The names without ".gz", sizes and digests of the gzipped originals."""


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """MNIST as uint8 (28, 28), 0 for paper and 255 for ink.

    The four files come from `data_dir`, gzipped or not; without it they are downloaded once
    (12 MB) to $EDGECNN_HOME/data/mnist, by default under ~/.cache/edgecnn. `seed` chooses the
    validation split from the training files; the test split is the t10k files.

    Raises InputError when a file is missing, damaged or of another shape; DownloadError when
    no mirror can be reached.
    """
    # Mean and deviation of MNIST's training pixels after scaling to 0…1.
    hints = {"fit": "pad", "mean": (0.1307,), "std": (0.3081,)}
    return IdxSet("mnist", LABELS, SOURCE, FILES, MIRRORS, hints).load(data_dir, seed)
