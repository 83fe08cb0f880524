"""Where what was seen goes: a window, a browser, a video file, a log of events."""
