"""Inference runtimes: one file each, all behind the same Session."""
