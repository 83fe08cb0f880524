"""Inputs of a benchmark's rows."""
