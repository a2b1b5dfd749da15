"""The sandbox's page: who is on duty, who requests what, and why the answer is what it is."""

from sandbox.page.app import Page, page_of

__all__ = ["Page", "page_of"]
