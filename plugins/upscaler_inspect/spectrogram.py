"""Draws a spectrogram and the facts about a recording, with matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from torch import Tensor

from upscaler_core import MissingDependency
from upscaler_core.files import atomic_write
from upscaler_inspect.inspection import Inspection

RANGE_DB = 120
"""Range of the colours, dB: black is this far below the loudest bin."""
MOST_LABELS = 12
"""Parts whose cut-off is written into the picture. Shorter parts have no room for it."""


def check_plots() -> None:
    """Check that matplotlib can be imported.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingDependency(
            "a picture needs matplotlib, which is not installed: pip install 'ai-audio-upscaler[plots]'"
        ) from None


def draw(inspection: Inspection, decibels: Tensor, target: Path) -> None:
    """Draw a file's spectrogram `[column, bin]` in dB, with the facts about it, into a PNG file.

    Raises:
        MissingDependency: matplotlib is not installed.
        OutputError: the picture cannot be written.
    """
    check_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    top = max(-RANGE_DB, float(decibels.max()))
    nyquist = inspection.info.rate / 2000
    figure = Figure(figsize=(12, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(
        decibels.T.numpy(),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, inspection.seconds, 0, nyquist),
        cmap="magma",
        vmin=top - RANGE_DB,
        vmax=top,
    )
    draw_cutoffs(axes, inspection, nyquist)
    loudness = "" if inspection.levels.loudness is None else f"{inspection.levels.loudness:.1f} LUFS, "
    axes.set_title(
        f"{_plain(inspection.path.name)}: {inspection.info.rate / 1000:g} kHz, {loudness}"
        f"{inspection.levels.true_peak_db:.1f} dBTP\n{_plain(str(inspection.verdict))}",
        loc="left",
        fontsize=11,
    )
    axes.set_xlabel("time, s")
    axes.set_ylabel("frequency, kHz")
    figure.colorbar(picture, ax=axes, label="level, dB of a full-scale sine", pad=0.01)
    data = io.BytesIO()
    FigureCanvasAgg(figure).print_png(data)
    with atomic_write(target) as part:
        part.write_bytes(data.getvalue())


def draw_cutoffs(axes: Any, inspection: Inspection, nyquist: float) -> None:
    """Draw where the content ends over time, as one line with steps, and write the frequencies beside it, kHz.

    A line without any edge would lie on the picture's border, and is left out.
    """
    parts = [(start, end, segment.bandwidth.cutoff_hz / 1000) for start, end, segment in inspection.parts]
    if all(cutoff >= nyquist for _, _, cutoff in parts):
        return
    times = [time for start, end, _ in parts for time in (start, end)]
    line = [cutoff for _, _, cutoff in parts for _ in range(2)]
    axes.plot(times, line, color="black", linewidth=3, alpha=0.5)  # so that the line shows on bright places
    axes.plot(times, line, color="white", linewidth=1.2, linestyle=(0, (6, 4)))
    axes.set_xlim(0, inspection.seconds)
    axes.set_ylim(0, nyquist)
    widest = sorted(parts, key=lambda part: part[0] - part[1])[:MOST_LABELS]
    for start, end, cutoff in widest:
        if end - start < inspection.seconds / MOST_LABELS:
            continue
        below = cutoff > 0.93 * nyquist
        axes.annotate(
            f"{cutoff:.1f} kHz",
            ((start + end) / 2, cutoff),
            xytext=(0, -5 if below else 5),
            textcoords="offset points",
            color="white",
            ha="center",
            va="top" if below else "bottom",
            bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
        )


def _plain(name: str) -> str:
    """A file name for a title. Bytes that are not text are replaced, and $ does not begin a formula."""
    return name.encode(errors="replace").decode().replace("$", r"\$")
