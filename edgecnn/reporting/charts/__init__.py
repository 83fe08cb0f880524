"""Charts: what they show, what they share, and their way into a page or a file."""
