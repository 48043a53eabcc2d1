"""Draw docs/pictures/filters.png: `python benchmarks/filters.py` (the extra `plots`).

The upper row shows the frequency responses of the resamplers, with each quality of `poly-sinc-hq`: the spectra of their
output for an impulse. The lower row shows low-pass filters that `band-limit` applies in training: their gains.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot

from upscaler_core import discover
from upscaler_degrade.low_pass import LowPass
from upscaler_degrade.options import FilterKind

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "filters.png"
RATE_IN, RATE_OUT = 48_000, 96_000
RESAMPLERS = [("poly-sinc-hq", {"dsp_quality": quality}) for quality in ("fast", "balanced", "quality", "exact")]
RESAMPLERS += [("sinc", {}), ("linear", {})]
CUTOFF = 8_000


def main() -> None:
    """Draw the picture."""
    mpl.use("Agg")
    torch.set_num_threads(1)
    figure, rows = pyplot.subplots(2, 2, figsize=(13, 8), layout="constrained")
    for axes, curves in zip(rows, (resamplers(), low_passes()), strict=True):
        for ax in axes:
            for name, (f, gain) in curves.items():
                ax.plot(f / 1000, 20 * np.log10(np.maximum(gain, 1e-12)), label=name, linewidth=1.2)
            ax.grid(alpha=0.3)
            ax.set_xlabel("frequency, kHz")
        axes[0].set_ylabel("gain, dB")
        axes[1].legend(loc="lower left", fontsize=9)
    limits(rows[0], (18, 32, -220, 10), (21, 24.5, -3, 0.5))
    limits(rows[1], (4, 20, -100, 5), (6, 8.5, -8, 1))
    rows[0, 0].set_title("resamplers, 48 to 96 kHz; dotted: the source's Nyquist frequency", loc="left", fontsize=11)
    rows[1, 0].set_title("band-limit at 8 kHz: order 4, ripple 1 dB, attenuation 60 dB", loc="left", fontsize=11)
    for ax in rows[0]:
        ax.axvline(RATE_IN / 2000, color="0.3", linewidth=0.8, linestyle=":")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=80)


def limits(axes: np.ndarray, *boxes: tuple[float, float, float, float]) -> None:
    """Set the left, right, lower and upper end of each plot."""
    for ax, (left, right, low, high) in zip(axes, boxes, strict=True):
        ax.set_xlim(left, right)
        ax.set_ylim(low, high)


def resamplers() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Frequencies (Hz) and gains by name, from the response to an impulse in float64."""
    impulse = torch.zeros(1, RATE_IN // 2, dtype=torch.float64)
    impulse[0, impulse.shape[-1] // 2] = 1
    curves = {}
    for name, options in RESAMPLERS:
        output = discover().resampler(name, **options)(impulse, RATE_IN, RATE_OUT)[0].numpy()
        gain = np.abs(np.fft.rfft(output)) * RATE_IN / RATE_OUT
        curves[" ".join([name, *options.values()])] = np.fft.rfftfreq(len(output), 1 / RATE_OUT), gain
    return curves


def low_passes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Frequencies (Hz) and gains of every kind of low-pass filter, by its name."""
    f = torch.linspace(0, RATE_IN / 2, 24_001, dtype=torch.float64)[1:]
    return {kind: (f.numpy(), LowPass(kind, CUTOFF).gain(f, RATE_IN).numpy()) for kind in get_args(FilterKind)}


if __name__ == "__main__":
    main()
