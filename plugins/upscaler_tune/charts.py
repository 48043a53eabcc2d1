"""The charts of the report, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from upscaler_tune.display import format_value

WIDTH, HEIGHT = 960, 320
"""Size of a chart, pixels."""
LEFT, RIGHT, TOP, BOTTOM = 80, 40, 40, 30
"""Its margins, pixels."""
WORST, BEST = (230, 120, 60), (40, 110, 210)
"""Colours of the worst and the best score; the others are mixtures."""

Trial = Mapping[str, Any]
"""A trial as `html_report.summary` describes it."""


def history(done: Sequence[Trial], best: int, metric: str, higher_is_better: bool) -> str:
    """The score of each trial as a dot, and the best score so far as a staircase."""
    numbers, scores = [trial["trial"] for trial in done], [trial["score"] for trial in done]
    x = _scale(numbers, LEFT, WIDTH - RIGHT)
    y = _scale(scores, HEIGHT - BOTTOM, TOP)
    steps, record = [], scores[0]
    for number, score in zip(numbers, scores, strict=True):
        steps.append((x(number), y(record)))
        record = max(record, score) if higher_is_better else min(record, score)
        steps.append((x(number), y(record)))
    dots = "".join(
        f'<circle cx="{x(t["trial"]):.1f}" cy="{y(t["score"]):.1f}" r="{6 if t["trial"] == best else 4}" '
        f'fill="{_colour(t["score"], scores, higher_is_better)}">{_title(t, metric)}</circle>'
        for t in done
    )
    marks = "".join(_mark(LEFT - 8, y(value) + 4, f"{value:.3f}", "end") for value in {min(scores), max(scores)})
    marks += "".join(_mark(x(number), HEIGHT - 8, str(number), "middle") for number in {numbers[0], numbers[-1]})
    axis = _line([(LEFT, TOP), (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM)], "axis")
    return _svg(f"{metric} of each trial", HEIGHT, axis + _line(steps, "record") + dots + marks)


def bars(shares: Mapping[str, float]) -> str:
    """A bar for each name; the shares are 0 … 1."""
    name_width, row = 300, 28
    parts = []
    for index, (name, share) in enumerate(shares.items()):
        top, width = index * row, share * (WIDTH - name_width - 80)
        parts.append(_mark(name_width - 10, top + 18, name, "end"))
        parts.append(f'<rect x="{name_width}" y="{top + 4}" width="{width:.1f}" height="{row - 8}" fill="rgb{BEST}"/>')
        parts.append(_mark(name_width + width + 8, top + 18, f"{share:.0%}", "start"))
    return _svg("importance of each option", row * len(shares), "".join(parts))


def parallel(done: Sequence[Trial], names: Sequence[str], best: int, metric: str, higher_is_better: bool) -> str:
    """Parallel coordinates: one axis for each option and one for the score, one line for each trial."""
    axes = [*names, metric]
    columns = [[_value(trial, name, metric) for trial in done] for name in axes]
    x_of = _scale(range(len(axes)), LEFT, WIDTH - LEFT)
    y_of = [_axis(column) for column in columns]
    scores = [trial["score"] for trial in done]
    lines = []
    for index, trial in sorted(enumerate(done), key=lambda pair: pair[1]["trial"] == best):
        points = [(x_of(k), y_of[k](columns[k][index])) for k in range(len(axes))]
        kind = "best" if trial["trial"] == best else ""
        colour = _colour(trial["score"], scores, higher_is_better)
        lines.append(_line(points, kind, colour if not kind else None, _title(trial, metric)))
    marks = []
    for k, name in enumerate(axes):
        marks.append(_line([(x_of(k), TOP), (x_of(k), HEIGHT - BOTTOM)], "axis"))
        marks.append(_mark(x_of(k), 14 if k % 2 else 28, name, "middle"))
        ends = sorted(set(columns[k]), key=y_of[k])
        marks += [_mark(x_of(k) + 6, y_of[k](end) + 4, format_value(end), "start") for end in {ends[0], ends[-1]}]
    return _svg("parallel coordinates of the trials", HEIGHT, "".join(lines + marks))


def _value(trial: Trial, name: str, metric: str) -> Any:
    return trial["score"] if name == metric else trial["values"].get(name)


def _axis(values: Sequence[Any]) -> Any:
    """The position of a value on a vertical axis.

    Numbers are placed by their size, or by their logarithm if they are positive and the largest is at least five times the
    smallest. Other values are placed in alphabetical order.
    """
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        order = sorted(set(map(str, values)))
        scale = _scale(range(len(order)), HEIGHT - BOTTOM, TOP)
        return lambda value: scale(order.index(str(value)))
    if min(values) > 0 and max(values) >= 5 * min(values):
        scale = _scale([math.log(value) for value in values], HEIGHT - BOTTOM, TOP)
        return lambda value: scale(math.log(value))
    return _scale(values, HEIGHT - BOTTOM, TOP)


def _scale(values: Sequence[float], begin: float, end: float) -> Any:
    """A linear map of the range of the values onto another one; its middle if all values are equal."""
    low, high = min(values), max(values)
    if low == high:
        return lambda value: (begin + end) / 2
    return lambda value: begin + (value - low) / (high - low) * (end - begin)


def _colour(score: float, scores: Sequence[float], higher_is_better: bool) -> str:
    share = _scale(scores, 0.0, 1.0)(score)
    share = share if higher_is_better else 1 - share
    mixed = (round(worst + share * (best - worst)) for worst, best in zip(WORST, BEST, strict=True))
    return f"rgb({','.join(map(str, mixed))})"


def _title(trial: Trial, metric: str) -> str:
    head = f"trial {trial['trial']}: {metric} {trial['score']:.4f}"
    lines = [head, *(f"{name} {format_value(value)}" for name, value in trial["values"].items())]
    return f"<title>{escape(chr(10).join(lines))}</title>"


def _line(points: Sequence[tuple[float, float]], kind: str, colour: str | None = None, title: str = "") -> str:
    coordinates = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    stroke = f' stroke="{colour}" stroke-width="1.5"' if colour else ""
    return f'<polyline class="{kind}" fill="none"{stroke} points="{coordinates}">{title}</polyline>'


def _mark(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(label: str, height: float, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img" aria-label="{escape(label)}">{inner}</svg>'
    )
