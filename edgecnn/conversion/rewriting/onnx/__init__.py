"""ONNX graphs in older, plainer or float operators."""
