"""Compare the CPU time of the presets with weights with that of the architecture of AP-BWE: 48 kHz mono, one thread.

    python benchmarks/enhance.py [--seconds 20] [--rounds 5]

AP-BWE (Lu, Ai, Du and Ling 2024, "Towards High-Quality and Efficient Speech Bandwidth Extension with Parallel Amplitude
and Phase Prediction", §II) is implemented here from its paper, with random weights: its time does not depend on them.
Every system turns a recording at 16 kHz into one at 48 kHz. The presets' time is that of the complete pipeline, with
resampler, bandwidth measurement and limiter; AP-BWE's is that of resampler, STFT, network and inverse STFT. The systems
run in turns, and the results are medians.
"""

import argparse
import statistics
import time
from pathlib import Path

import soundfile
import torch
from torch import Tensor, nn

from upscaler_core import discover, load_pipeline

RATE, SOURCE_RATE = 48_000, 16_000
AUDIO = Path(__file__).parent.parent / "examples" / "audio" / "speech_kerstin_de_cc0_48k.flac"
N_FFT, HOP, WINDOW = 1024, 80, 320
BINS = N_FFT // 2 + 1


class Block(nn.Module):
    """A one-dimensional ConvNeXt block: `[batch, channel, frame]`."""

    def __init__(self, channels: int = 512, inside: int = 1536) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up, self.down = nn.Linear(channels, inside), nn.Linear(inside, channels)
        self.scale = nn.Parameter(torch.full((channels,), 1 / 8))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        return x + (self.scale * self.down(nn.functional.gelu(self.up(y)))).transpose(1, 2)


class ApBwe(nn.Module):
    """Two streams of eight blocks, for amplitude and phase. Each block also gets the output of the other stream."""

    def __init__(self, channels: int = 512, blocks: int = 8) -> None:
        super().__init__()
        self.front = nn.ModuleList(nn.Conv1d(BINS, channels, 7, padding=3) for _ in range(2))
        self.fronts_norm = nn.ModuleList(nn.LayerNorm(channels, eps=1e-6) for _ in range(2))
        self.amplitude, self.phase = (nn.ModuleList(Block(channels) for _ in range(blocks)) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps=1e-6) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(channels, BINS) for _ in range(3))
        self.window = torch.hann_window(WINDOW)

    def forward(self, waveform: Tensor) -> Tensor:
        """`[batch, time]` -> the same shape."""
        shape = {"n_fft": N_FFT, "hop_length": HOP, "win_length": WINDOW, "window": self.window}
        spectrum = torch.stft(waveform, **shape, return_complex=True)
        log_input = spectrum.abs().clamp(min=1e-4).log()
        a, p = (
            norm(front(x).transpose(1, 2)).transpose(1, 2)
            for front, norm, x in zip(self.front, self.fronts_norm, (log_input, spectrum.angle()), strict=True)
        )
        for amplitude, phase in zip(self.amplitude, self.phase, strict=True):
            a = a + p
            p = p + a
            a, p = amplitude(a), phase(p)
        a, p = (norm(x.transpose(1, 2)) for norm, x in zip(self.norms, (a, p), strict=True))
        log_amplitude, real, imaginary = (
            head(x).transpose(1, 2) for head, x in zip(self.heads, (a, p, p), strict=True)
        )
        restored = torch.polar((log_input + log_amplitude).exp(), torch.atan2(imaginary, real))
        return torch.istft(restored, **shape, length=waveform.shape[-1])


def systems(source: Tensor):
    """The calls to time, by name."""
    up = discover()
    resampler, network = up.resampler("poly-sinc-hq"), ApBwe().eval()
    print(f"AP-BWE: {sum(weight.numel() for weight in network.parameters()) / 1e6:.2f} M weights\n")
    calls = {"AP-BWE's architecture, float32": lambda: network(resampler(source, SOURCE_RATE, RATE))}
    networks = {"baseline": [], "restore": ["restore"], "whitepaper": ["wave", "spec"]}
    for preset, models in networks.items():
        for precision in ("float32", "bfloat16") if models else ("",):
            settings = [f"target_rate={RATE}", *(f"models.{model}.precision={precision}" for model in models)]
            pipeline = load_pipeline(preset, up, settings)
            calls[f"`{preset}` {precision}".rstrip()] = lambda pipeline=pipeline: pipeline(source, SOURCE_RATE)
    return calls


def main() -> None:
    """Print a row for each system."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples, rate = soundfile.read(AUDIO, dtype="float32", always_2d=True)
    speech = torch.from_numpy(samples[:, :1].T.copy())
    source = discover().resampler("poly-sinc-hq")(speech, rate, SOURCE_RATE)
    source = source.repeat(1, int(options.seconds * SOURCE_RATE / source.shape[-1]) + 1)
    source = source[:, : round(options.seconds * SOURCE_RATE)]
    calls = systems(source)
    spent: dict[str, list[float]] = {name: [] for name in calls}
    with torch.no_grad():
        for number in range(options.rounds + 1):  # the first one is not counted
            for name, call in calls.items():
                start = time.process_time()
                call()
                if number:
                    spent[name].append((time.process_time() - start) / options.seconds)
    reference = statistics.median(spent["AP-BWE's architecture, float32"])
    print("| system | CPU-s per s of audio | of AP-BWE's |\n|---|---|---|")
    for name, times in spent.items():
        print(f"| {name} | {statistics.median(times):.4f} | {statistics.median(times) / reference:.2f} |")


if __name__ == "__main__":
    main()
