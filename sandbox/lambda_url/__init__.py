"""The function on this machine: Lambda's runtime, behind a URL like its own."""
