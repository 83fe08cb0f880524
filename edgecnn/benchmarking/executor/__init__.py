"""Worker processes as seen by the parent: job, start and outcome."""
