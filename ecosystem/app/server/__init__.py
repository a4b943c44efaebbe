"""Serving the page, on this machine and to it alone."""
