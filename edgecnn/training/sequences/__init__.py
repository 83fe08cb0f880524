"""Learning sequences: sentence pairs, the next subword."""
