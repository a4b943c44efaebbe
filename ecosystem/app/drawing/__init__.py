"""The drawing of the alignment network: where agents stand, on the page and in pictures."""
