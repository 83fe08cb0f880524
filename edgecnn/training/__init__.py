"""Training: an architecture and a data set in, a `.keras` file with its manifest out."""

from edgecnn.training.fit import train

__all__ = ["train"]
