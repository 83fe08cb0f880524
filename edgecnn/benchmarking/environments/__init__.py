"""Isolated Python environments: for runtimes with conflicting dependencies, for versions."""
