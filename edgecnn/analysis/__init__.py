"""Analyze results: rows, the best of them, and changes between results. Pure functions."""
