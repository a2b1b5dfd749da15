"""The function on this machine: Lambda's runtime, behind a function URL or an HTTP API."""
