"""Code that runs in a worker (standard library and NumPy only): load, warm up, sample, report."""
