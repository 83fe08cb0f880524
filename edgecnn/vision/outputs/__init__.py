"""Outputs of detections: a window, a browser, a video file, an event log."""
