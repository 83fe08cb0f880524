"""A worker process seen from its parent: its job, its start, and what becomes of it."""
