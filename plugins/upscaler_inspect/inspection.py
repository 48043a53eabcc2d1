"""The facts about a recording: its header, its levels, and where its content ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from upscaler_core import AudioInfo, Registry
from upscaler_core.dsp import (
    LOW_CONFIDENCE,
    Bandwidth,
    BandwidthTrack,
    Levels,
    Segment,
    Spectrogram,
    Stream,
    measure_levels,
)
from upscaler_core.files import (
    GivenCutoffs,
    Recording,
    Restoration,
    given_track,
    made_by,
    open_recording,
    restoration_of,
)
from upscaler_core.plugins import BandwidthDetector
from upscaler_inspect.verdict import Origin, Verdict, origin_of, verdict_of


@dataclass(frozen=True)
class Inspection:
    """All facts about a file."""

    path: Path
    info: AudioInfo
    levels: Levels
    track: BandwidthTrack
    damage: str | None
    given: bool = False
    """Whether the user said where the content ends."""
    warnings: tuple[str, ...] = ()
    """What the user should know beside the damage."""

    @property
    def seconds(self) -> float:
        """Length of the part that could be decoded, seconds."""
        return self.levels.frames / self.info.rate

    @property
    def bandwidth(self) -> Bandwidth:
        """The bandwidth of the segment that ends lowest."""
        return self.track.lowest

    @property
    def confidence(self) -> float:
        """The least confidence in a segment's cut-off, 0 … 1."""
        return min(segment.bandwidth.confidence for segment in self.track.segments)

    @property
    def unsure(self) -> list[tuple[float, float]]:
        """The cut-off, Hz, and the confidence of each segment whose confidence is low."""
        found = [segment.bandwidth for segment in self.track.segments]
        return [(each.cutoff_hz, each.confidence) for each in found if each.confidence < LOW_CONFIDENCE]

    @property
    def silent(self) -> bool:
        """Whether there is nothing but silence."""
        return self.levels.peak_db < -200

    @property
    def exceeds_full_scale(self) -> bool:
        """Whether samples are beyond full scale, as only decoders and files of floats have them. Then none are clipped."""
        return self.levels.peak_db > 0

    @property
    def restoration(self) -> Restoration | None:
        """What the file's tags say that was restored in it."""
        return restoration_of(self.info.tags)

    @property
    def is_restored(self) -> bool:
        """Whether this toolkit added something to the file."""
        return self.restoration is not None and self.restoration.above_hz is not None

    @property
    def made_by(self) -> Restoration | None:
        """What the file's tags say of the version and the pipeline that made it; None where this toolkit did not."""
        return made_by(self.info.tags)

    @property
    def origin(self) -> Origin:
        """Why the content ends, in the segment that ends lowest."""
        return origin_of(self.bandwidth, self.info.rate, self.given)

    @property
    def verdict(self) -> Verdict:
        """What is said of all this."""
        return verdict_of(
            self.track, self.info.rate, silent=self.silent, restoration=self.restoration, given=self.given
        )

    def note_of(self, segment: Bandwidth) -> str:
        """A segment's past in a few words."""
        if self.silent:
            return "silence"
        if self.restoration and self.restoration.above_hz is not None:
            return f"restored above {self.restoration.above_hz / 1000:.1f} kHz"
        return origin_of(segment, self.info.rate, self.given).short

    @property
    def parts(self) -> Iterator[tuple[float, float, Segment]]:
        """Each segment, with its start and its end in seconds."""
        ends = self.track.ends(self.levels.frames)
        for segment, end in zip(self.track.segments, ends, strict=True):
            yield segment.start / self.info.rate, end / self.info.rate, segment


OnProgress = Callable[[float, float | None], None]
"""Is called with the seconds that were read, and those of the file where its header says them."""


class BlockAnalyzer(Protocol):
    """Analyses a signal that comes in blocks."""

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        ...


def inspect(
    path: Path,
    registry: Registry,
    detector: BandwidthDetector,
    *,
    cutoffs: GivenCutoffs = (),
    picture: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Inspection, Tensor | None]:
    """Inspect a file, in one pass. Memory does not grow with its length.

    Args:
        path: the file.
        registry: for readers.
        detector: finds where the content ends.
        cutoffs: where the user says that it ends; empty = the detector says it.
        picture: compute a spectrogram too.
        on_progress: is called after each block, with the seconds that were read so far and those that there are, if known.

    Returns:
        The facts, and the spectrogram `[column, bin]` in dB if it was asked for.

    Raises:
        InputError: no reader can read the file, or it holds no audio; the message begins with the path.
        UsageError: a given part begins after the file's end.
        MissingDependency: something that the file's format needs is not installed.
    """
    with open_recording(path, registry) as recording:
        info = recording.info
        given = given_track(cutoffs, recording) if cutoffs else None
        full_scale = 1.0 if info.bits is None or info.floating else 1 - 2.0 ** (1 - info.bits)
        survey = detector.survey(info.rate)
        spectrogram = Spectrogram(info.rate)
        analyzers: list[BlockAnalyzer] = [*([] if given else [survey]), *([spectrogram] if picture else [])]
        blocks = followed(recording, on_progress) if on_progress else recording.blocks()
        levels = measure_levels(analyzed_by(analyzers, blocks), info.rate, full_scale, info.layout)
        track = given or survey.finish()
        inspection = Inspection(path, info, levels, track, recording.damage, given=given is not None)
        return inspection, spectrogram.finish()[0] if picture else None


def followed(recording: Recording, on_progress: OnProgress) -> Iterator[Tensor]:
    """The blocks of a recording, with a call after each."""
    for block in recording.blocks():
        yield block
        on_progress(recording.seconds, recording.info.seconds)


def analyzed_by(analyzers: list[BlockAnalyzer], stream: Stream) -> Iterator[Tensor]:
    """The blocks of a stream, after each analyzer has got them: one decoding pass serves all."""
    for block in stream:
        for analyzer in analyzers:
            analyzer.add(block)
        yield block
