"""Personas, the Mesa agent and its speech policies."""
