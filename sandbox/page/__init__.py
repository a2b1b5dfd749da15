"""The sandbox's page: who is on duty, who asks for what, and why the answer is what it is."""

from sandbox.page.server import Page, page_of

__all__ = ["Page", "page_of"]
