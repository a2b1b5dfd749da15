"""Doubles of the providers: stateful HTTP servers with the vendors' bodies, and faults."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.vendors.server import Double


def create_double(provider: str) -> Double:
    """Create the double of a provider, by its id, with a random key.

    Its module has the provider's id as its name, so that nothing else has to list the doubles.
    """
    double: Double = import_module(f"sandbox.vendors.{provider}").create_double()
    return double
