"""Verify converted files against their parent: parity, accuracy, layer sensitivity."""
