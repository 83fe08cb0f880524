"""What the commands show: help, lines, errors, tables, progress, where the time went."""
