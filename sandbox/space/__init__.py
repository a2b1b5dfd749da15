"""Indent's space on loopback: a stateful service that speaks its REST API and asks its webhooks."""

from sandbox.space.service import Space

__all__ = ["Space"]
