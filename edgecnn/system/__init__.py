"""Operating system services: processes, folders, temporary files, output."""
