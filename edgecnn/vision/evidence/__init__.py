"""The network's own evidence for what it finds: computed, and drawn over the image."""
