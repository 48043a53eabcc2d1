"""What each kind of component must do. Protocols, not base classes: a module, a function or another library's object fits.

Tensors are `[batch, channel, time]` unless said otherwise, float32 at full scale ±1.0; rates in Hz; positions and lengths
in samples; chance comes only from the seed, position or generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from upscaler_core.dsp.plan import Plan
    from upscaler_core.dsp.stft import StftConfig


class Resampler(Protocol):
    """Changes the sample rate. Linear phase, delay 0, `ceil(n * rate_out / rate_in)` samples from n."""

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Return the windowed function from `rate_in` to `rate_out` (Hz, both positive); float32 and float64 windows."""
        ...


@dataclass(frozen=True)
class Conditions:
    """What a model or a fusion is told about the windows it is given."""

    cutoff_hz: Tensor
    """`[batch]`: where each item's content ends, Hz."""
    start: Tensor
    """`[batch]`, int64: index in the stream, at the model's rate, of each window's first sample (may be negative)."""
    rate: int
    """The windows' sample rate, Hz."""
    seed: int = 0
    """For `noise`."""
    bandwidth_hz: Tensor | None = None
    """`[batch]`, in training: where each target's own content ends, Hz."""
    begin_hz: Tensor | None = None
    """`[batch]`: where each item's edge begins, Hz: from here up what is added is kept. None: at the cut-off."""


@dataclass(frozen=True)
class Estimate:
    """What a model returns: a waveform, or a log-magnitude (natural log) with or without phase (radians) on a grid.

    `waveform` is `[batch, channel, time]`, as long as the baseline; `log_magnitude` and `phase` are
    `[batch, channel, n_fft//2 + 1, frames]`.
    """

    waveform: Tensor | None = None
    log_magnitude: Tensor | None = None
    phase: Tensor | None = None
    grid: StftConfig | None = None

    def __post_init__(self) -> None:
        if self.waveform is None and (self.log_magnitude is None or self.grid is None):
            raise ValueError("an Estimate needs a waveform, or a log_magnitude and its grid")


@runtime_checkable
class EnhancementModel(Protocol):
    """Estimates the full-band signal from the baseline.

    One that takes every frequency relative to the sample rate may name more rates by an attribute
    `other_rates: tuple[int, ...]`, Hz. A pipeline then runs it at the one that the target's rate is a multiple of: the
    model's band ends where the target's does, and nothing is lost between two rates. Where the double of that is among
    them and the target reaches so high, the model is run there again, for the octave above.
    """

    rate: int
    """Sample rate it works at, Hz."""
    length_multiple: int
    """Window lengths are multiples of this, and windows start on multiples of it (a hop, or 1)."""
    receptive_field: int | None
    """Input samples on each side that an output can depend on; None = unbounded (context and cross-fade are used)."""

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` at `conditions.rate` -> an estimate of the same length. No item of a batch affects another."""
        ...


@runtime_checkable
class Trainable(Protocol):
    """What a model that is a `torch.nn.Module` may add, to be trained by more than the recipe's losses."""

    def objective(self, estimate: Estimate, target: Tensor, conditions: Conditions) -> Mapping[str, Tensor]:
        """Own loss terms by name, scalars, added to the recipe's.

        `estimate` is what the model has just returned, `target` `[batch, 1, time]` what it should have sounded like,
        already low-passed where the recording itself ends.
        """
        ...


class FusionStrategy(Protocol):
    """Joins the models' estimates into one waveform.

    A fusion of bounded reach says so by an attribute `receptive_field: int`; without one it counts as unbounded.
    """

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Estimates by the models' names in the pipeline, baseline `[batch, 1, time]` -> `[batch, 1, time]`."""
        ...


@dataclass(frozen=True)
class Degraded:
    """What a degradation returns: the audio, where its content now ends, and what was drawn (for logs)."""

    audio: Tensor
    bandwidth_hz: float | None = None
    drawn: Mapping[str, float | str] = field(default_factory=lambda: MappingProxyType({}))


class Degradation(Protocol):
    """Damages clean audio, for training. All chance comes from the generator: same state, same result."""

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """`[channel, time]` at `rate` Hz -> the same shape, dtype and alignment. The input is left as it was."""
        ...


class Loss(Protocol):
    """How far an estimate is from its target, differentiably."""

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar >= 0 with a gradient; 0 where they are equal."""
        ...


@runtime_checkable
class Adversary(Protocol):
    """What a loss that is a `torch.nn.Module` with weights of its own may add: a step against the models.

    Such a loss may be negative, and not 0 where estimate and target are equal. It leaves no gradient in its own weights.
    """

    def critic(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]`, the estimate detached -> the scalar that the loss's own weights minimize."""
        ...


class Metric(Protocol):
    """How far an estimate is from its target, for people."""

    unit: str
    higher_is_better: bool

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` at `rate` Hz -> `[batch]`."""
        ...


class Finisher(Protocol):
    """Works on the finished signal: a limiter, a fade. State-free.

    One that only turns the signal down, by one gain for all channels, may say so by an attribute `limits = True`: then the
    user is told how far and how often it did.
    """

    def plan(self, rate: int) -> Plan:
        """The windowed function at `rate` Hz, `block_in == block_out`; its rows are the channels of one window."""
        ...


@dataclass(frozen=True)
class Picture:
    """A picture within an audio file, such as the cover."""

    mime: str
    """What the data are: `image/jpeg`."""
    kind: int
    """Picture type, as in ID3 and FLAC: 3 is the front cover, 4 the back, 0 anything."""
    description: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    rate: int
    """Hz."""
    channels: int
    frames: int | None
    """Samples a channel, where the header knows."""
    format: str
    """The container and coding, for people: `FLAC, 24-bit PCM`."""
    bits: int | None = None
    """Bits of an integer or float sample; None for a lossy coding."""
    floating: bool = False
    """Samples are floating point, and may exceed full scale."""
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Text tags by lower-case name; the names are those of Vorbis comments, and track 3 of 12 is `3/12`."""
    pictures: Sequence[Picture] = ()

    @property
    def seconds(self) -> float | None:
        """Length, where the header knows it."""
        return None if self.frames is None else self.frames / self.rate


class Source(AbstractContextManager["Source"], Protocol):
    """An open input file."""

    info: AudioInfo
    damage: str | None
    """After a pass: what is missing or broken, in a sentence without a full stop; None for a whole file."""

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield `[channel, time]` float32 blocks of at most `frames` samples, from the first one, at each call.

        Channels come in the order of WAV. What is not a number, or absurdly large, the core sets to 0 and tells of.

        Raises:
            InputError: nothing in it can be decoded.
            OSError: it cannot be read any more; the core says so in a sentence.
        """
        ...


class Reader(Protocol):
    """Opens audio files. The suffixes it reads stand in its `Component` record."""

    def open(self, path: Path) -> Source:
        """Open a file, which is a regular one and not empty.

        Raises:
            InputError: not audio, or damaged beyond reading; the message names no path.
            OSError: it cannot be read; the core says so in a sentence.
        """
        ...


class Sink(AbstractContextManager["Sink"], Protocol):
    """An output file being written. Leaving the context closes it; the core makes the file whole or absent."""

    clipped: int
    """Samples beyond full scale that were clamped so far."""

    def write(self, block: Tensor) -> None:
        """Append `[channel, time]` float samples.

        Raises:
            OutputError: the disk is full or the file cannot be written.
        """
        ...


class Exporter(Protocol):
    """Writes audio files. The suffixes it writes stand in its `Component` record."""

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this rate and channel count cannot be written, and the nearest that can; None where they can."""
        ...

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> Sink:
        """Open `path` (a temporary name, of any suffix) for writing.

        `source` lets the exporter keep the source's bits, tags and pictures; `seed` is for dither.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        ...


class Command(Protocol):
    """A sub-command of `upscaler`."""

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        ...
