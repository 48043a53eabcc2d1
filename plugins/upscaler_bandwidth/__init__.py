"""Bandwidth detectors: a small network, and rules made by hand."""
