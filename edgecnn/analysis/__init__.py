"""What results say: rows, the best of them, and what became better or worse. Pure functions."""
