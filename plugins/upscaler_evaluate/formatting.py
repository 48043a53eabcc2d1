"""How numbers and headings of the tables are written."""

from __future__ import annotations

import math

from upscaler_core.plugins import Metric


def format_number(value: float) -> str:
    """Format a number of a table.

    >>> format_number(1.2345), format_number(23.456), format_number(math.nan)
    ('1.23', '23.5', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def format_khz(hz: int) -> str:
    """Format a frequency in kHz.

    >>> format_khz(4_000), format_khz(5_500)
    ('4 kHz', '5.5 kHz')
    """
    return f"{hz / 1000:g} kHz"


def heading(name: str, metric: Metric) -> str:
    """The heading of a metric's column: its name, its unit, and an arrow that points to where better is."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{name}{unit} {'↑' if metric.higher_is_better else '↓'}"
