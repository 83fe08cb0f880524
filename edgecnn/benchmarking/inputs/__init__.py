"""What the rows of a benchmark are fed."""
