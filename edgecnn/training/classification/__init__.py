"""Learning classes: a label for each sample."""
