"""Learning boxes: annotated images, the views of them, the loss."""
