"""Float file → quantized file: one module a format, and what they share over arrays."""
