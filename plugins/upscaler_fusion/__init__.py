"""Fusions: `magnitude-phase` and `blend`."""
