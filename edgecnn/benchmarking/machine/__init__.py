"""The machine: what it is, what it could do at best, and what it does during a measurement."""
