"""Samples run through models while one is converted or verified: what goes in, what comes out,
and what the layers compute on the way.
"""
