"""What each kind of component must do.

These are protocols, not base classes: a module, a function or another library's object fits too. Tensors are
`[batch, channel, time]` unless a docstring says otherwise, float32 at full scale ±1.0. Rates are in Hz, positions and
lengths in samples. Random numbers come only from the seed, position or generator that a component receives.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from upscaler_core.dsp.bandwidth import BandwidthTrack
    from upscaler_core.dsp.plan import Plan
    from upscaler_core.dsp.stft import StftConfig


class Resampler(Protocol):
    """Changes the sample rate. Linear phase, delay 0, `ceil(n * rate_out / rate_in)` samples from n."""

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Return the windowed function from `rate_in` to `rate_out` (Hz, both positive); float32 and float64 windows."""
        ...


class BandwidthSurvey(Protocol):
    """A survey of one recording, while it goes on. It reads blocks as they come, so that a decoding pass can be shared."""

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`. The result does not depend on how the signal is cut into blocks."""
        ...

    def finish(self) -> BandwidthTrack:
        """Where the content ends, over time. It is called once, after the last block."""
        ...


class BandwidthDetector(Protocol):
    """Finds where the content of recordings ends. Memory does not grow with a recording's length."""

    def survey(self, rate: int) -> BandwidthSurvey:
        """Begin the survey of a recording at `rate` Hz."""
        ...


@dataclass(frozen=True)
class Conditions:
    """What models and fusions know about their windows, beyond the samples."""

    cutoff_hz: Tensor
    """`[batch]`: the frequency at which each item's content ends, Hz."""
    start: Tensor
    """`[batch]`, int64: index in the stream, at the model's rate, of each window's first sample (may be negative)."""
    rate: int
    """The windows' sample rate, Hz."""
    seed: int = 0
    """Seed for `noise`."""
    bandwidth_hz: Tensor | None = None
    """`[batch]`, in training only: the frequency at which each target's own content ends, Hz."""
    begin_hz: Tensor | None = None
    """`[batch]`: the frequency at which each item's edge begins, Hz; None where it is not known."""

    @property
    def edge_hz(self) -> Tensor:
        """`[batch]`: from here up what models add is used, Hz. It is where the edge begins, or else the cut-off."""
        return self.cutoff_hz if self.begin_hz is None else self.begin_hz


@dataclass(frozen=True)
class Estimate:
    """The output of a model: a waveform, or a log-magnitude (natural log) with or without phase (radians).

    `waveform` is `[batch, channel, time]`, as long as the baseline. `log_magnitude` and `phase` are
    `[batch, channel, n_fft//2 + 1, frames]`; `grid` is the STFT that they belong to.
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

    A model that takes every frequency relative to the sample rate may name more rates by an attribute
    `other_rates: tuple[int, ...]`, Hz. A pipeline then runs it at the rate that the target's rate is a multiple of, so the
    model's band ends where the target's band does, and no resampling between the families of 44.1 and 48 kHz
    cuts the top of the band off. If twice that rate is among
    them too, and the target's band is wide enough, the model runs again at twice the rate, for the octave above.
    """

    rate: int
    """Sample rate at which the model works, Hz."""
    length_multiple: int
    """Lengths and starts of windows are multiples of so many samples: a hop, or 1."""
    receptive_field: int | None
    """Input samples on each side that an output sample can depend on. None = unbounded: then windows get context and are
    cross-faded."""

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` at `conditions.rate` -> an estimate of the same length.

        No item of a batch affects another one.
        """
        ...


@runtime_checkable
class Trainable(Protocol):
    """A method that a model may add which is a `torch.nn.Module`, to be trained with more than the recipe's losses."""

    def objective(self, estimate: Estimate, target: Tensor, conditions: Conditions) -> Mapping[str, Tensor]:
        """The model's own loss terms by name. They are scalars, and are added to the recipe's losses.

        `estimate` is the model's last output. `target` `[batch, 1, time]` is the signal that it should be, low-passed where
        the recording itself ends.
        """
        ...


class FusionStrategy(Protocol):
    """Joins the models' estimates into one waveform.

    A fusion with a bounded receptive field says so by an attribute `receptive_field: int`, in samples. Without it the field
    counts as unbounded.
    """

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Estimates by the models' names in the pipeline, baseline `[batch, 1, time]` -> `[batch, 1, time]`."""
        ...


@dataclass(frozen=True, init=False)
class Degraded:
    """The output of a degradation."""

    audio: Tensor
    bandwidth_hz: float | None
    """Frequency at which the content now ends, Hz; None if the degradation did not change it."""
    parameters: Mapping[str, float | str]
    """The random choices by name, for logs."""

    def __init__(
        self,
        audio: Tensor,
        bandwidth_hz: float | None = None,
        parameters: Mapping[str, float | str] = MappingProxyType({}),
        *,
        drawn: Mapping[str, float | str] | None = None,
    ) -> None:
        if drawn is not None:  # version 0.3 takes it out, as compatibility.py says of all old names
            warnings.warn("Degraded(drawn=) is now called parameters", DeprecationWarning, stacklevel=2)
            parameters = drawn
        for name, value in zip(self.__dataclass_fields__, (audio, bandwidth_hz, parameters), strict=True):
            object.__setattr__(self, name, value)

    @property
    def drawn(self) -> Mapping[str, float | str]:
        """The old name of `parameters`."""
        warnings.warn("Degraded.drawn is now called parameters", DeprecationWarning, stacklevel=2)
        return self.parameters


class Degradation(Protocol):
    """Damages clean audio, for training. Random numbers come only from the generator: same state, same result."""

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """`[channel, time]` at `rate` Hz -> the same shape, dtype and alignment. The input does not change."""
        ...


class Loss(Protocol):
    """A differentiable distance of an estimate from its target."""

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar >= 0 with a gradient; 0 where they are equal."""
        ...


@runtime_checkable
class Adversary(Protocol):
    """A method that a loss may add which is a `torch.nn.Module` with weights of its own: they learn against the models.

    Such a loss may be negative, and need not be 0 where estimate and target are equal. It leaves no gradient in its own
    weights.
    """

    def critic(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]`, the estimate detached -> the scalar that the loss's own weights minimize."""
        ...


class Metric(Protocol):
    """A measure, for people, of how far an estimate is from its target."""

    unit: str
    higher_is_better: bool

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` at `rate` Hz -> `[batch]`."""
        ...


class Finisher(Protocol):
    """Works on the finished signal, as a limiter or a fade does. It keeps no state.

    A finisher that only turns the signal down, by one gain for all channels, says so by an attribute `limits = True`. Then
    the user learns how far and how often it did, and `headroom: none` leaves it out.
    """

    def plan(self, rate: int) -> Plan:
        """The windowed function at `rate` Hz, `block_in == block_out`; its rows are the channels of one window."""
        ...


@dataclass(frozen=True)
class Picture:
    """A picture within an audio file, such as the cover."""

    mime: str
    """Media type of the data, such as `image/jpeg`."""
    kind: int
    """Picture type, as in ID3 and FLAC: 3 is the front cover, 4 the back cover, 0 any other picture."""
    description: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Chapter:
    """A chapter of an audio book, a podcast or a concert."""

    start_s: float
    """Where it begins, seconds."""
    title: str
    end_s: float | None = None
    """Where it ends, seconds; None where the next one begins, or the file ends."""


@dataclass(frozen=True)
class AudioInfo:
    """The content of a file's header."""

    rate: int
    """Hz."""
    channels: int
    frames: int | None
    """Samples in each channel; None where the header does not say it."""
    format: str
    """The container and coding, for people: `FLAC, 24-bit PCM`."""
    bits: int | None = None
    """Bits of an integer or floating-point sample; None for a lossy coding."""
    floating: bool = False
    """Whether samples are floating-point numbers, which may exceed full scale."""
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Text tags by lower-case name. The names are those of Vorbis comments; track 3 of 12 is `3/12`."""
    pictures: Sequence[Picture] = ()
    layout: Sequence[str] = ()
    """The channels' loudspeakers by their short names (`dsp.SPEAKERS`), in order; empty where the file does not say it."""
    chapters: Sequence[Chapter] = ()
    """In order of time."""
    chunks: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What only a WAV file can hold: the contents of its chunks by their names, such as `bext`. `LIST adtl` is the list of
    that type. Positions are samples at `rate`."""
    not_carried: Sequence[str] = ()
    """What else the file holds beside its audio, in words: things that stand in none of these fields."""

    @property
    def seconds(self) -> float | None:
        """Length in seconds; None where the header does not say it."""
        return None if self.frames is None else self.frames / self.rate


class Source(AbstractContextManager["Source"], Protocol):
    """An open input file."""

    info: AudioInfo
    damage: str | None
    """After a pass: what is missing or broken, in a sentence without a full stop; None for an intact file.

    A source that knows from its header, or from a look through the file, that parts of the audio cannot be reached sets it
    when it is opened. Then other readers are asked too, and the one that reads most is used.
    A source that puts silence in place of what cannot be decoded says how much by an attribute `silenced: int`: samples
    of each channel in the last pass.
    """

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield `[channel, time]` float32 blocks of at most `frames` samples. Each call begins at the first sample.

        Channels are in the order of WAV. The core sets samples that are not numbers, or absurdly large, to 0 and warns.

        Raises:
            InputError: nothing in the file can be decoded.
            OSError: the file cannot be read any more; the core makes a sentence of it.
        """
        ...


class Reader(Protocol):
    """Opens audio files. Its `Component` record has the suffixes that it reads."""

    def open(self, path: Path) -> Source:
        """Open a file. It is a regular file and not empty.

        Raises:
            InputError: the file is not audio, or damaged beyond reading; the message names no path.
            OSError: the file cannot be read; the core makes a sentence of it.
        """
        ...


class Sink(AbstractContextManager["Sink"], Protocol):
    """An output file while it is written. It is closed when the context ends. The core removes an incomplete file.

    A sink that keeps samples beyond full scale, as floating-point files do, says so by an attribute `floating = True`. All
    others clamp them. So the core lowers a signal that would exceed full scale (`headroom`): it leaves the context by an
    exception, and opens the same path again.
    """

    clipped: int
    """How many samples beyond full scale were clamped so far."""

    def write(self, block: Tensor) -> None:
        """Append `[channel, time]` float samples.

        Raises:
            OutputError: the disk is full or the file cannot be written.
        """
        ...


class Exporter(Protocol):
    """Writes audio files. Its `Component` record has the suffixes that it writes.

    An exporter may add a method `layout_warning(layout: Sequence[str]) -> str | None`: what becomes of loudspeakers that its
    format cannot name, in a sentence without a full stop; None where it can.
    """

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this rate and channel count cannot be written, and the nearest ones that can; None if they can be written."""
        ...

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> Sink:
        """Open `path`, a temporary name with any suffix, for writing.

        From `source` the exporter takes the source's bits, tags, pictures, chapters, chunks and loudspeakers. `seed` is
        for dither.

        Raises:
            OutputError: this rate, this number of channels or this path cannot be written.
        """
        ...


class Command(Protocol):
    """A sub-command of `upscaler`."""

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        ...
