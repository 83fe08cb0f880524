"""Packed data sets: shards of TFRecord files with an index."""
