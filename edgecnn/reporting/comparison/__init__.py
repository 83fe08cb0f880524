"""Two or more results compared: before and after, machine and machine, the gate in CI."""
