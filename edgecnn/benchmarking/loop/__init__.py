"""What runs in a worker, on the standard library and NumPy alone: load, warm up, sample, answer."""
