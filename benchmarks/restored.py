"""Draw the pictures of README and docs: `python benchmarks/restored.py` (the extra `plots`).

`restored.png` shows recordings, the same at a sample rate of 16 kHz, and the output of the preset `restore` for that.
`edges.png` shows median spectra around the cut-off, for low-pass filters from a brick wall to a soft one and for a codec,
restored by both presets that have weights. For these, the script prints the deepest hole and the highest bump, from the
beginning of the edge to a semitone above the cut-off, relative to the straight line between the levels of the semitones on
both sides.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
import torch
from matplotlib import pyplot
from scipy.signal import bessel, butter, cheby1, sosfiltfilt

from upscaler_core import Pipeline, discover, load_pipeline

HERE = Path(__file__).parent.parent / "docs" / "pictures"
AUDIO = Path(__file__).parent.parent / "examples" / "audio"
LOW_RATE, CUTOFF = 16_000, 8_000
WINDOW_SECONDS = 0.021
COLOURS = {"restore": "tab:red", "whitepaper": "tab:green"}
STEP = 1.06
"""The frequency ratio of a semitone, approximately."""


def main() -> None:
    """Draw all pictures."""
    mpl.use("Agg")
    HERE.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    draw_restored()
    draw_edges()


def draw_restored() -> None:
    """Draw `restored.png`."""
    resample = discover().resampler("poly-sinc-hq")
    recordings = {
        "speech": excerpt("speech_kerstin_de_cc0_48k.flac", 0.5, 4),
        "trance": excerpt("void_sensor_30s_streamcopy.ogg", 4.0, 4),
        "jazz": excerpt("vibe_ace_30s_streamcopy.ogg", 4.0, 4),
    }
    figure, rows = pyplot.subplots(len(recordings), 3, figsize=(13, 8), sharex=True, sharey=True, layout="constrained")
    for axes, (name, (x, rate)) in zip(rows, recordings.items(), strict=True):
        low = resample(x, rate, LOW_RATE)
        views = {
            f"{name}, at 16 kHz": (low, LOW_RATE),
            "restored": (restore(rate)(low, LOW_RATE), rate),
            "the recording": (x, rate),
        }
        for ax, (title, (signal, signal_rate)) in zip(axes, views.items(), strict=True):
            ax.set_facecolor("black")
            level = decibels(signal, signal_rate)
            extent = (0, signal.shape[-1] / signal_rate, 0, signal_rate / 2000)
            picture = ax.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-110, vmax=-20)
            ax.set_title(title, loc="left", fontsize=11)
            ax.set_ylim(0, 22)
        axes[0].set_ylabel("frequency, kHz")
    for ax in rows[-1]:
        ax.set_xlabel("time, s")
    figure.colorbar(picture, ax=rows, label="level, dB of a full-scale sine", pad=0.01)
    figure.savefig(HERE / "restored.png", dpi=80)


def draw_edges() -> None:
    """Draw `edges.png` and print the deviations."""
    x, rate = excerpt("void_sensor_30s_streamcopy.ogg", 4.0, 8)
    inputs: dict[str, Callable[[], tuple[torch.Tensor, int]]] = {
        "resampled to 16 kHz": lambda: (discover().resampler("poly-sinc-hq")(x, rate, LOW_RATE), LOW_RATE),
        "Chebyshev I, order 8, twice": lambda: (filtered(cheby1(8, 0.05, CUTOFF, fs=rate, output="sos"), x), rate),
        "Butterworth, order 6, twice": lambda: (filtered(butter(6, CUTOFF, fs=rate, output="sos"), x), rate),
        "Bessel, order 4, twice": lambda: (filtered(bessel(4, CUTOFF, fs=rate, output="sos", norm="mag"), x), rate),
        "MP3, 64 kbps": lambda: mp3(x, rate, 64),
        "MP3, 96 kbps": lambda: mp3(x, rate, 96),
    }
    figure, axes = pyplot.subplots(2, 3, figsize=(13, 7), sharex=True, sharey=True, layout="constrained")
    for ax, (name, make) in zip(axes.flat, inputs.items(), strict=True):
        low, low_rate = make()
        pipelines = {preset: restore(rate, preset) for preset in ("restore", "whitepaper")}
        edge = pipelines["restore"].bandwidth_of([low], low_rate).lowest
        cutoff = edge.cutoff_hz
        plain = discover().resampler("poly-sinc-hq")(low, low_rate, rate) if low_rate != rate else low
        print(f"{name}: begins at {edge.begin_hz:.0f} Hz, found at {cutoff:.0f} Hz", end="")
        for label, signal, style in (
            ("the recording", x, {"color": "0.6", "linewidth": 3}),
            *((label, p(low, low_rate), {"color": COLOURS[label], "linewidth": 1.2}) for label, p in pipelines.items()),
            ("the input", plain, {"color": "tab:blue", "linewidth": 1.2}),
        ):
            level = np.median(decibels(signal, rate), -1)
            hz = np.linspace(0, rate / 2, len(level))
            if label in pipelines:
                hole, bump = deviations(level, hz, edge.begin_hz, STEP * cutoff)
                print(f"; {label} {hole:+.1f} dB, {bump:+.1f} dB", end="")
            ax.plot(hz / 1000, level, label=label, **style)
        print()
        ax.axvline(cutoff / 1000, color="0.3", linewidth=0.8, linestyle=(0, (5, 4)))
        ax.set_title(f"{name}: found at {cutoff / 1000:.2f} kHz", loc="left", fontsize=11)
        ax.set_xlim(2, 20)
        ax.set_ylim(-110, -40)
        ax.grid(alpha=0.3)
    axes[0, 0].legend(loc="lower left")
    for ax in axes[-1]:
        ax.set_xlabel("frequency, kHz")
    for ax in axes[:, 0]:
        ax.set_ylabel("median level, dB")
    figure.savefig(HERE / "edges.png", dpi=80)


def deviations(level: np.ndarray, hz: np.ndarray, begin: float, end: float) -> tuple[float, float]:
    """The least and greatest deviation of a spectrum in a band, dB, from the line between the semitones on both sides."""
    sides = [np.interp(np.geomspace(*ends, 9), hz, level).mean() for ends in ((begin / STEP, begin), (end, STEP * end))]
    middles = np.log([begin / STEP**0.5, end * STEP**0.5])
    f = np.geomspace(begin, end, 33)
    smooth = np.convolve(np.interp(f, hz, level), np.ones(5) / 5, mode="same")[2:-2]
    deviation = smooth - np.interp(np.log(f), middles, sides)[2:-2]
    return float(deviation.min()), float(deviation.max())


def restore(rate: int, preset: str = "restore") -> Pipeline:
    """The pipeline of a preset with a target rate."""
    return load_pipeline(preset, discover(), [f"target_rate={rate}"])


def excerpt(name: str, start: float, seconds: float) -> tuple[torch.Tensor, int]:
    """The first channel of a recording, `[1, time]`, and its sample rate."""
    samples, rate = soundfile.read(AUDIO / name, dtype="float32", always_2d=True)
    first = round(start * rate)
    return torch.from_numpy(samples[first : first + round(seconds * rate), :1].T.copy()), rate


def filtered(sections: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    """Filter forwards and backwards: the phase is zero, and the attenuation is doubled."""
    return torch.from_numpy(sosfiltfilt(sections, x.numpy()).astype(np.float32).copy())


def mp3(x: torch.Tensor, rate: int, kbps: int) -> tuple[torch.Tensor, int]:
    """Encode as stereo at a constant bit rate with libsndfile, and decode. Its level goes from 320 (0) to 32 kbps (1)."""
    data = io.BytesIO()
    stereo = x.repeat(2, 1).T.numpy()
    soundfile.write(
        data,
        stereo,
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=(320 - kbps) / 288,
    )
    data.seek(0)
    samples, rate = soundfile.read(data, dtype="float32", always_2d=True)
    return torch.from_numpy(samples[:, :1].T.copy()), rate


def decibels(x: torch.Tensor, rate: int) -> np.ndarray:
    """Levels `[bin, frame]` of `[1, time]` in windows of about 21 ms; 0 dB is a full-scale sine."""
    n_fft = 2 * round(WINDOW_SECONDS * rate / 2)
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(x[0], n_fft, n_fft // 4, window=window, return_complex=True).abs() / (window.sum() / 2)
    return (20 * torch.log10(spectrum + 1e-7)).numpy()


if __name__ == "__main__":
    main()
