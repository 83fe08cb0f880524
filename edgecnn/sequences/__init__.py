"""Answers that are sequences: how they are searched for, and how their two graphs are kept.

numpy and the standard library only: a board that translates needs no more than a runtime.
"""
