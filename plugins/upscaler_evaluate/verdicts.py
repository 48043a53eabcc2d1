"""The words of the white paper for mean scores."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_evaluate.formatting import format_khz, format_number
from upscaler_evaluate.mean_scores import ALL, MeanScores

LSD_VERDICTS = ((1.5, "exceptional"), (2.5, "excellent"), (4.0, "good"))
"""Upper limits of the log-spectral distance and their words (white paper §5.1). Above the last one it is `minimal`."""
ACCEPTABLE_SSIM = 0.85
"""An SSIM above this is acceptable (white paper §5.2)."""


def lsd_verdict(distance: float) -> str:
    """The word of the white paper for a log-spectral distance.

    >>> lsd_verdict(1.07), lsd_verdict(3.0), lsd_verdict(5.0)
    ('exceptional', 'good', 'minimal')
    """
    return next((word for limit, word in LSD_VERDICTS if distance < limit), "minimal")


def verdicts(means: Iterable[MeanScores]) -> list[dict[str, str]]:
    """The lines of a table, by column: the white paper's words for the means over all recordings.

    There are two log-spectral distances: the usual one, on power, and that of the white paper's formula as it is written, on
    magnitudes, which is half of it.
    """
    lines = []
    for row in (row for row in means if row.kind == ALL):
        line = {"cut-off": format_khz(row.cutoff_hz), "system": row.system}
        if "lsd" in row.values:
            for column, distance in ("LSD of power", row.values["lsd"]), ("of magnitude", row.values["lsd"] / 2):
                line[column] = f"{format_number(distance)} {lsd_verdict(distance)}"
        if "ssim" in row.values:
            ssim = row.values["ssim"]
            line["SSIM"] = f"{format_number(ssim)} {'acceptable' if ssim > ACCEPTABLE_SSIM else 'not acceptable'}"
        lines.append(line)
    return lines if any(len(line) > 2 for line in lines) else []
