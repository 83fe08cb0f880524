"""Detectors over any runtime: image in, boxes out, at every input size and from nearer."""
