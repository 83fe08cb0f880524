"""Model files as files: which bytes they start with, which other files belong to them, whether
they are whole. Read with the standard library alone, before any library sees them.
"""
