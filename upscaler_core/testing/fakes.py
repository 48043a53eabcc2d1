"""Small components that keep their contracts, for tests, and as the shortest example of each protocol.

`plugin` offers all of them; `Registry(points=(), plugins={"fakes": plugin})` is a registry of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import Bandwidth, BandwidthTrack
from upscaler_core.dsp.noise import noise
from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.stft import StftConfig, istft, stft
from upscaler_core.errors import InputError
from upscaler_core.plugins.components import Component, Options, option
from upscaler_core.plugins.hookspecs import hookimpl
from upscaler_core.plugins.protocols import AudioInfo, Conditions, Degraded, Estimate


class Nearest:
    """Repeats samples: the shortest resampler. Every output sample is the nearest input sample."""

    def __init__(self, options: Options) -> None:
        pass

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """One second in, one second out."""
        nearest = (torch.arange(rate_out) * rate_in + rate_out // 2) // rate_out
        return Plan(lambda windows, start: windows[:, 1 + nearest], rate_in, rate_out, receptive_field=1)


class Half:
    """A detector that takes all content to end at half the Nyquist frequency."""

    def __init__(self, options: Options) -> None:
        pass

    def survey(self, rate: int) -> HalfSurvey:
        """Begin a survey."""
        return HalfSurvey(rate)


class HalfSurvey:
    """A survey that needs no signal."""

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def add(self, block: Tensor) -> None:
        """Take a block `[channel, time]`."""

    def finish(self) -> BandwidthTrack:
        """One segment."""
        return BandwidthTrack.constant(Bandwidth(self.rate / 4))


class MirrorOptions(Options):
    """Options of `Mirror`."""

    rate: int = option(48_000, unit="Hz", ge=8_000, le=384_000, help="the rate it works at")
    level: float = option(0.1, ge=0, le=1, help="how much of the mirrored spectrum is added")
    receptive_field: int | None = option(
        64, unit="samples", ge=1, le=10_000, help="declared receptive field; null = unbounded"
    )
    length_multiple: int = option(1, unit="samples", ge=1, le=4_096, help="what window lengths are multiples of")


class Mirror:
    """Adds the spectrum mirrored about a quarter of the rate, x·(−1)ⁿ, smoothed so that it has a receptive field.

    The sign depends on the position in the stream, so a wrong `start` changes the output very much.
    """

    def __init__(self, options: MirrorOptions) -> None:
        self.rate, self.level = options.rate, options.level
        self.length_multiple, self.receptive_field = options.length_multiple, options.receptive_field

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> the baseline and its mirror image."""
        n = conditions.start[:, None, None] + torch.arange(baseline.shape[-1])
        width = 2 * (self.receptive_field or 64) + 1
        neighbours = torch.nn.functional.pad(baseline, (width // 2, width // 2)).unfold(-1, width, 1)
        weights = torch.hann_window(width, periodic=False, dtype=baseline.dtype)
        smooth = 0.01 * (neighbours * weights).sum(-1) / weights.sum()
        return Estimate(baseline + self.level * (baseline + smooth) * (1 - 2 * (n % 2)))


class Hiss:
    """Adds noise that depends on seed and position only."""

    def __init__(self, options: MirrorOptions) -> None:
        self.rate, self.level = options.rate, options.level
        self.length_multiple, self.receptive_field = options.length_multiple, options.receptive_field

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> the baseline and noise."""
        hiss = [noise(conditions.seed, "hiss", int(start), baseline.shape[-1]) for start in conditions.start]
        return Estimate(baseline + self.level * torch.stack(hiss)[:, None].to(baseline))


class Louder:
    """A spectral model with an unbounded receptive field: the log-magnitude of the baseline, and above the cut-off its mean
    below the cut-off.
    """

    def __init__(self, options: MirrorOptions) -> None:
        self.rate, self.length_multiple, self.receptive_field, self.grid = options.rate, 256, None, StftConfig()

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a log-magnitude without phase."""
        magnitude = stft(baseline, self.grid).abs().clamp(min=1e-7).log()
        bins = torch.arange(magnitude.shape[-2]) * conditions.rate / self.grid.n_fft
        above = bins[:, None] > conditions.cutoff_hz[:, None, None, None]
        level = magnitude.masked_fill(above, 0).sum(-2, keepdim=True) / (~above).sum(-2, keepdim=True)
        return Estimate(log_magnitude=torch.where(above, level, magnitude), grid=self.grid)


class MeanFusion:
    """The mean of the waveforms."""

    receptive_field = 0

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Waveforms `[batch, 1, time]` -> their mean."""
        waveforms = [e.waveform for e in estimates.values() if e.waveform is not None]
        return torch.stack(waveforms).mean(0)


class CrossOptions(Options):
    """Options of `Cross`."""

    magnitude: str = option(help="model whose magnitude is taken")
    phase: str = option(help="model whose waveform's phase is taken")


class Cross:
    """One model's magnitude with another one's phase, by an inverse STFT."""

    def __init__(self, options: CrossOptions) -> None:
        self.options = options

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Estimates -> `[batch, 1, time]`."""
        magnitude, phase = estimates[self.options.magnitude], estimates[self.options.phase]
        if magnitude.log_magnitude is None or magnitude.grid is None or phase.waveform is None:
            raise ValueError("it needs a log-magnitude and a waveform")
        angle = stft(phase.waveform, magnitude.grid).angle()
        return istft(torch.polar(magnitude.log_magnitude.exp(), angle), magnitude.grid, baseline.shape[-1])


class Hum:
    """Adds 50 Hz at a random level."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """`[channel, time]` -> the same with hum."""
        level = 0.01 * float(torch.rand((), generator=generator))
        t = torch.arange(x.shape[-1], device=x.device) / rate
        return Degraded(x + level * torch.sin(2 * torch.pi * 50 * t).to(x), None, {"level": level})


class SquaredError:
    """Mean squared error: a loss, and a metric."""

    unit = "FS²"
    higher_is_better = False

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, estimate: Tensor, target: Tensor, rate: int | None = None) -> Tensor:
        """A scalar without a rate (a loss), `[batch]` with one (a metric)."""
        squares = (estimate - target).square()
        return squares.mean() if rate is None else squares.mean((1, 2))


class GainOptions(Options):
    """Options of `Gain`."""

    gain_db: float = option(-6.0, unit="dB", ge=-60, le=20, help="applied to every sample")


class Gain:
    """A finisher: constant gain."""

    def __init__(self, options: GainOptions) -> None:
        self.factor = 10 ** (options.gain_db / 20)

    def plan(self, rate: int) -> Plan:
        """Blocks of a tenth of a second."""
        return Plan(lambda windows, start: windows * self.factor, rate // 10, rate // 10, receptive_field=0)


class RawExporter:
    """Writes bare little-endian float32 frames after a line with rate and channels."""

    def __init__(self, options: Options) -> None:
        pass

    def refuse(self, rate: int, channels: int) -> str | None:
        """More than two channels are refused."""
        return None if channels <= 2 else f"bare samples hold at most 2 channels, not {channels}: write WAV instead"

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> RawSink:
        """Open for writing."""
        return RawSink(path, rate, channels)


class RawSink:
    """An open file of bare samples."""

    clipped = 0

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.file = path.open("wb")
        self.file.write(f"raw {rate} {channels}\n".encode())

    def __enter__(self) -> RawSink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.file.close()

    def write(self, block: Tensor) -> None:
        """Append `[channel, time]`."""
        self.file.write(block.T.contiguous().float().numpy().tobytes())


class RawReader:
    """Reads the files of `RawExporter`."""

    def __init__(self, options: Options) -> None:
        pass

    @contextmanager
    def open(self, path: Path) -> Iterator[RawSource]:
        """Open for reading."""
        with path.open("rb") as file:
            words = file.readline(100).split()
        if len(words) != 3 or words[0] != b"raw":
            raise InputError("it does not begin with 'raw', a rate and a channel count")
        yield RawSource(path, int(words[1]), int(words[2]))


class RawSource:
    """An open file of bare samples."""

    damage = None

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self.info = AudioInfo(rate, channels, None, "bare samples", 32, floating=True)

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield `[channel, time]`."""
        with self.path.open("rb") as file:
            file.readline()
            while data := file.read(4 * self.info.channels * frames):
                samples = torch.frombuffer(bytearray(data), dtype=torch.float32)
                yield samples.reshape(-1, self.info.channels).T.contiguous()


class Hello:
    """A command that prints a greeting."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, arguments: Sequence[str]) -> int:
        """Greet those that the arguments name."""
        print("hello", *arguments)
        return 0


_HERE = "upscaler_core.testing.fakes"
_COMPONENTS: dict[str, list[Component]] = {
    "resamplers": [Component("nearest", f"{_HERE}:Nearest", summary="repeats samples")],
    "detectors": [Component("half", f"{_HERE}:Half", summary="half of the band")],
    "models": [
        Component("mirror", f"{_HERE}:Mirror", MirrorOptions, "adds a mirrored spectrum"),
        Component("hiss", f"{_HERE}:Hiss", MirrorOptions, "adds noise"),
        Component("louder", f"{_HERE}:Louder", MirrorOptions, "a log-magnitude"),
    ],
    "fusions": [
        Component("mean", f"{_HERE}:MeanFusion", summary="the waveforms' mean"),
        Component("cross", f"{_HERE}:Cross", CrossOptions, "one's magnitude, another's phase"),
    ],
    "degradations": [Component("hum", f"{_HERE}:Hum", summary="50 Hz")],
    "losses": [Component("squared", f"{_HERE}:SquaredError", summary="mean squared error")],
    "metrics": [Component("squared", f"{_HERE}:SquaredError", summary="mean squared error")],
    "exporters": [Component("raw", f"{_HERE}:RawExporter", summary="bare samples", suffixes=(".raw",))],
    "readers": [Component("raw", f"{_HERE}:RawReader", summary="bare samples", suffixes=(".raw",))],
    "finishers": [Component("gain", f"{_HERE}:Gain", GainOptions, "constant gain")],
    "commands": [Component("hello", f"{_HERE}:Hello", summary="greets")],
}


plugin = ModuleType("fakes")
"""A plugin that offers every fake."""


def _offer(kinds: str) -> None:
    @hookimpl
    def hook() -> list[Component]:
        return _COMPONENTS[kinds]

    setattr(plugin, f"upscaler_{kinds}", hook)


for _kinds in _COMPONENTS:
    _offer(_kinds)
