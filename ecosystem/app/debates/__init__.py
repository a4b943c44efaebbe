"""Debates that can be looked at step by step: those that go on, and recorded ones."""
