"""Images with boxes: the annotation formats and what they have in common."""
