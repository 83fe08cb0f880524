"""Files and folders of data, read as untrusted bytes: one file for each format."""
