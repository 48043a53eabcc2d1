"""A spectrogram of a file of any length in bounded memory, and its drawing by matplotlib (the extra `plots`)."""

from __future__ import annotations

import io
import math
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core.audio import BLOCK, open_source
from upscaler_core.errors import MissingDependency
from upscaler_core.inspection import Inspection
from upscaler_core.measure import blackman_harris, frames
from upscaler_core.registry import Registry
from upscaler_core.streaming import Stream
from upscaler_core.whole import whole_or_absent

COLUMNS = 2000
"""At most so many: when they are full, pairs of them become one."""
RESOLUTION_HZ = 25
RANGE_DB = 120
"""From the loudest bin down to black."""


def spectrogram(stream: Stream, rate: int) -> tuple[Tensor, float]:
    """Power of a stream of blocks `[channel, time]`: `([column, bin] in dB, seconds a column)`; channels are averaged."""
    size = 1 << math.ceil(math.log2(rate / RESOLUTION_HZ))
    window = blackman_harris(size)
    columns: list[Tensor] = []
    waiting: list[Tensor] = []
    pooled = 1  # frames a column
    for frame in frames(stream, size):
        waiting.append(torch.fft.rfft(frame * window).abs().square().mean(0))
        if len(waiting) == pooled:
            columns.append(torch.stack(waiting).mean(0))
            waiting = []
        if len(columns) == COLUMNS:
            columns = [(a + b) / 2 for a, b in zip(columns[::2], columns[1::2], strict=True)]
            pooled *= 2
    if not columns:
        columns = [torch.stack(waiting).mean(0) if waiting else torch.zeros(size // 2 + 1)]
    return 10 * torch.log10(torch.stack(columns) + 1e-20), pooled * (size // 2) / rate


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

    with open_source(found.path, registry) as source:
        decibels, _ = spectrogram(source.blocks(BLOCK), source.info.rate)
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
    with whole_or_absent(target) as part:
        part.write_bytes(data.getvalue())


def _plain(name: str) -> str:
    """A file name for a title: no mathematics, no bytes that are no text."""
    return name.encode(errors="replace").decode().replace("$", r"\$")
