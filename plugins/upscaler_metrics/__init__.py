"""Measures of how far an estimate is from its reference."""
