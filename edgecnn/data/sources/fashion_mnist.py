"""Fashion-MNIST: 70,000 images of clothes, 28×28, in MNIST's format (Xiao and others 2017)."""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.base import Dataset
from edgecnn.data.files.download import RemoteFile
from edgecnn.data.sources.idx_set import IdxSet

LABELS = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
SOURCE = "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, Zalando Research; MIT)"

# The authors' bucket (over TLS; its website speaks plain HTTP) and their repository.
MIRRORS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)

FILES = {
    "train-images-idx3-ubyte": RemoteFile(
        26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte": RemoteFile(
        29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte": RemoteFile(
        4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte": RemoteFile(
        5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
"""The names without ".gz", sizes and digests of the gzipped originals."""


def load(*, data_dir: Path | None = None, seed: int = 0) -> Dataset:
    """Fashion-MNIST as uint8 (28, 28), 0 for the ground and 255 for the brightest cloth.

    The four files come from `data_dir`, gzipped or not; without it they are downloaded once
    (31 MB). Splits and errors are those of `mnist`, whose files have the same names.
    """
    # Mean and deviation of the training pixels after scaling to 0…1.
    hints = {"fit": "pad", "mean": (0.2860,), "std": (0.3530,)}
    return IdxSet("fashion-mnist", LABELS, SOURCE, FILES, MIRRORS, hints).load(data_dir, seed)
