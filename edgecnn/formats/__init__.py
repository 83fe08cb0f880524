"""Model files as files: one room for each format, behind one registry.

A format says which endings and first bytes its files have, which other files belong to a model,
whether a file is whole, what goes in and out, and where a manifest lies inside. Everything is read
with the standard library and numpy alone, before any library sees the file. `check` is the one
place that every file passes, `kinds` finds the format of a file.
"""
