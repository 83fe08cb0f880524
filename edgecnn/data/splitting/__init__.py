"""Samples that must not be learned from and tested on at once: held out, and found again."""
