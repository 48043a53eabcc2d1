"""Draws a spectrogram and the facts about a recording, with matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
from pathlib import Path

from upscaler_core import MissingDependency, Registry
from upscaler_core.dsp import stream_spectrogram
from upscaler_core.files import atomic_write, open_recording
from upscaler_inspect.inspection import Inspection

RANGE_DB = 120
"""Range of the colours, dB: black is this far below the loudest bin."""


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


def draw(inspection: Inspection, target: Path, registry: Registry) -> None:
    """Draw a file's spectrogram, with the facts about it, into a PNG file.

    Raises:
        MissingDependency: matplotlib is not installed.
        OutputError: the picture cannot be written.
    """
    check_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with open_recording(inspection.path, registry) as recording:
        decibels, _ = stream_spectrogram(recording.blocks(), recording.info.rate)
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
    cutoff = inspection.bandwidth.cutoff_hz / 1000
    if inspection.bandwidth.has_edge:
        axes.axhline(cutoff, color="white", linewidth=1, linestyle=(0, (6, 4)))
        label = f"{cutoff:.1f} kHz, {inspection.bandwidth.slope:.0f} dB/octave"
        below = cutoff > 0.93 * nyquist
        axes.annotate(
            label,
            (inspection.seconds, cutoff),
            xytext=(-6, -4 if below else 4),
            textcoords="offset points",
            color="white",
            ha="right",
            va="top" if below else "bottom",
        )
    loudness = "" if inspection.levels.loudness is None else f"{inspection.levels.loudness:.1f} LUFS, "
    axes.set_title(
        f"{_plain(inspection.path.name)} looks {inspection.looks}\n"
        f"{inspection.info.rate / 1000:g} kHz, {loudness}{inspection.levels.true_peak_db:.1f} dBTP; {inspection.advice}",
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


def _plain(name: str) -> str:
    """A file name for a title. Bytes that are not text are replaced, and $ does not begin a formula."""
    return name.encode(errors="replace").decode().replace("$", r"\$")
