"""Statistics over samples, with bounds: pure functions."""
