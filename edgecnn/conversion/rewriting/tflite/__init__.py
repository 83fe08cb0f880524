"""TFLite models with one signature, fixed sizes and float32 numbers."""
