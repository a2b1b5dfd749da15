"""Whom we ask: one file for each provider, the registry, and the collector."""
