"""Reads what `handler/audit.py` wrote: reader, explanation, replay."""
