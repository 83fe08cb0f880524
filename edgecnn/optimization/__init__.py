"""Optimization: find the file to ship among recipes and runtimes."""
