"""A toy network, y = x · W, kept in two files: what it is made of, and its weights."""
