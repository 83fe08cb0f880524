"""Keras layers replaced by ones that every format has."""
