"""Fixtures of tests in a real browser."""

from browsing import browser, server, visit

__all__ = ["browser", "server", "visit"]
