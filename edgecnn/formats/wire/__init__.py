"""The two encodings that model files use, read with every offset checked."""
