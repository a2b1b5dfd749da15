"""Indent's space on loopback: a stateful service that speaks its REST API and calls webhooks."""

from sandbox.space.service import Space

__all__ = ["Space"]
