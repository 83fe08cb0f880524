"""Does a converted file compute what its parent does? Parity, accuracy, layer by layer."""
