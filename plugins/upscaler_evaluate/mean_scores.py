"""Means of scores over recordings, and how they compare with the null."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upscaler_core.plugins import Metric
from upscaler_evaluate.evaluator import MEAN_LIMIT_HZ, Score
from upscaler_evaluate.formatting import format_number

ALL = "all"
"""The kind of the means over recordings of all kinds."""


@dataclass(frozen=True)
class MeanScores:
    """The mean scores of a system over the recordings of one kind at one cut-off."""

    cutoff_hz: int
    kind: str
    system: str
    clips: int
    """Number of recordings."""
    values: Mapping[str, float]
    """Means by metric; NaN if no recording has a value."""


def mean_scores(scores: Iterable[Score]) -> list[MeanScores]:
    """Means by cut-off, kind and system. The kind `all` has every recording of up to 48 kHz, whatever its kind."""
    groups: dict[tuple[int, str, str], list[Score]] = {}
    scores = sorted(scores, key=lambda score: score.cutoff_hz)
    for score in scores:
        if score.rate <= MEAN_LIMIT_HZ:
            groups.setdefault((score.cutoff_hz, ALL, score.system), []).append(score)
    for score in sorted(scores, key=lambda score: score.kind):
        groups.setdefault((score.cutoff_hz, score.kind, score.system), []).append(score)
    means = [
        MeanScores(*key, len(group), {name: mean(s.values[name] for s in group) for name in group[0].values})
        for key, group in groups.items()
    ]
    return sorted(means, key=lambda row: row.cutoff_hz)


def mean(values: Iterable[float]) -> float:
    """The mean of the values that are not NaN; NaN if all are."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def beats_null(row: MeanScores, null: MeanScores, name: str, metric: Metric) -> bool:
    """Whether a system is better than the null by a metric, as far as the digits of the table show."""
    value, reference = row.values[name], null.values[name]
    better = value > reference if metric.higher_is_better else value < reference
    return format_number(value) != format_number(reference) and better
