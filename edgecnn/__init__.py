"""edgecnn takes a convolutional network from Keras to an edge device and proves how it behaves."""

__version__ = "0.1.0"
