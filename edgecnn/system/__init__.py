"""What edgecnn asks of the operating system: processes, folders, temporary files, output."""
