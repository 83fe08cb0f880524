"""What builds the documentation site: generated pages, figures, the versions, the prose check."""
