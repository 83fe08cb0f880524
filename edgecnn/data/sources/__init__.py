"""Data sources: one file for each name that a user can give."""
