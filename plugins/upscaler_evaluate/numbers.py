"""Means over recordings, the paper's verdicts on them, and how numbers are written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.files import atomic_write
from upscaler_core.plugins import Metric
from upscaler_evaluate.judge import APART_HZ, Score

ALL = "all"
BANDS = ((1.5, "exceptional"), (2.5, "excellent"), (4.0, "good"))
"""White paper §5.1; above the last it is `minimal`."""
ACCEPTABLE_SSIM = 0.85
"""White paper §5.2."""


@dataclass(frozen=True)
class Row:
    """A system's means over the recordings of one kind at one cut-off."""

    cutoff_hz: int
    kind: str
    system: str
    clips: int
    values: Mapping[str, float]


def rows(scores: Iterable[Score]) -> list[Row]:
    """Means by cut-off, kind and system. `all` is every recording of up to 48 kHz, once each, whatever its kind."""
    groups: dict[tuple[int, str, str], list[Score]] = {}
    scores = sorted(scores, key=lambda score: score.cutoff_hz)
    for score in scores:
        if score.rate <= APART_HZ:
            groups.setdefault((score.cutoff_hz, ALL, score.system), []).append(score)
    for score in sorted(scores, key=lambda score: score.kind):
        groups.setdefault((score.cutoff_hz, score.kind, score.system), []).append(score)
    found = [
        Row(*key, len(group), {name: mean(s.values[name] for s in group) for name in group[0].values})
        for key, group in groups.items()
    ]
    return sorted(found, key=lambda row: row.cutoff_hz)


def mean(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def band(distance: float) -> str:
    """What the white paper calls a log-spectral distance.

    >>> band(1.07), band(3.0), band(5.0)
    ('exceptional', 'good', 'minimal')
    """
    return next((word for limit, word in BANDS if distance < limit), "minimal")


def verdicts(table: Iterable[Row]) -> list[dict[str, str]]:
    """The white paper's words for the means over all: lines of a table, by column.

    Of the LSD there are two: of the one that everybody computes, on power, and of the paper's formula to the letter, half
    of it.
    """
    lines = []
    for row in (row for row in table if row.kind == ALL):
        line = {"cut-off": kilohertz(row.cutoff_hz), "system": row.system}
        if "lsd" in row.values:
            lsd = row.values["lsd"]
            line |= {"LSD of power": f"{cell(lsd)} {band(lsd)}", "of magnitude": f"{cell(lsd / 2)} {band(lsd / 2)}"}
        if "ssim" in row.values:
            passed = row.values["ssim"] > ACCEPTABLE_SSIM
            line["SSIM"] = f"{cell(row.values['ssim'])} {'acceptable' if passed else 'not acceptable'}"
        lines.append(line)
    return lines if any(len(line) > 2 for line in lines) else []


def cell(value: float) -> str:
    """A number of a table.

    >>> cell(1.2345), cell(23.456), cell(math.nan)
    ('1.23', '23.5', '–')
    """
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def kilohertz(cutoff_hz: int) -> str:
    """A frequency for people.

    >>> kilohertz(4_000), kilohertz(5_500)
    ('4 kHz', '5.5 kHz')
    """
    return f"{cutoff_hz / 1000:g} kHz"


def heading(name: str, metric: Metric) -> str:
    """A column's: the metric, its unit, and an arrow to where better is."""
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{name}{unit} {'↑' if metric.higher_is_better else '↓'}"


def beats(row: Row, null: Row, name: str, metric: Metric) -> bool:
    """Whether a system is better than the null by a metric, as far as the table shows."""
    ours, theirs = row.values[name], null.values[name]
    return cell(ours) != cell(theirs) and (ours > theirs if metric.higher_is_better else ours < theirs)


def write_json(path: Path, told: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all; what is not a number is null."""
    text = json.dumps({"version": 1, **_plain(told)}, indent=1, allow_nan=False) + "\n"
    with atomic_write(path) as part:
        part.write_text(text, "utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
