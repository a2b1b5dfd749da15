"""Callers as the sandbox has them: each sends what its vendor would."""
