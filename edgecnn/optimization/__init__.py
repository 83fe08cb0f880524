"""Which file to ship: the space of files and runtimes, the search in it, and the answer."""
