"""The version of edgecnn, for whoever names it: below everything else."""

__version__ = "0.1.0"
