"""From a detector's maps to boxes: pure functions over numpy, for every room that has outputs."""
