"""Bundles: a model file as a program for other machines."""
