"""Draws a spectrogram with what was found, by matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
from pathlib import Path

from upscaler_core import MissingDependency, Registry
from upscaler_core.dsp import stream_spectrogram
from upscaler_core.files import atomic_write, open_recording
from upscaler_inspect.inspection import Inspection

RANGE_DB = 120
"""From the loudest bin down to black."""


def check_plots() -> None:
    """Make sure that drawing is possible.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingDependency(
            "a picture needs matplotlib, which is not installed: pip install 'ai-audio-upscaler[plots]'"
        ) from None


def draw(found: Inspection, target: Path, registry: Registry) -> None:
    """Draw a file's spectrogram, with what was found, into a PNG file.

    Raises:
        MissingDependency: matplotlib is not installed.
        OutputError: the picture cannot be written.
    """
    check_plots()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with open_recording(found.path, registry) as recording:
        decibels, _ = stream_spectrogram(recording.blocks(), recording.info.rate)
    top = max(-RANGE_DB, float(decibels.max()))
    khz = found.info.rate / 2000
    figure = Figure(figsize=(12, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(
        decibels.T.numpy(),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, found.seconds, 0, khz),
        cmap="magma",
        vmin=top - RANGE_DB,
        vmax=top,
    )
    end = found.bandwidth.cutoff_hz / 1000
    if found.bandwidth.found:
        axes.axhline(end, color="white", linewidth=1, linestyle=(0, (6, 4)))
        label = f"{end:.1f} kHz, {found.bandwidth.slope:.0f} dB/octave"
        below = end > 0.93 * khz
        axes.annotate(
            label,
            (found.seconds, end),
            xytext=(-6, -4 if below else 4),
            textcoords="offset points",
            color="white",
            ha="right",
            va="top" if below else "bottom",
        )
    loudness = "" if found.levels.loudness is None else f"{found.levels.loudness:.1f} LUFS, "
    axes.set_title(
        f"{_plain(found.path.name)} looks {found.looks}\n"
        f"{found.info.rate / 1000:g} kHz, {loudness}{found.levels.true_peak_db:.1f} dBTP; {found.advice}",
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
    """A file name for a title: no mathematics, no bytes that are no text."""
    return name.encode(errors="replace").decode().replace("$", r"\$")
