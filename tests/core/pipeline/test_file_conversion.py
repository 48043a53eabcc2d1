"""One file through a pipeline: a given bandwidth, and what the result and the output's tags say."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import soundfile as sf
import torch
from mutagen.flac import FLAC

from upscaler_core import Pipeline, UsageError
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.files import open_recording, restoration_of
from upscaler_core.files.output import OutputSettings, decide_output
from upscaler_core.pipeline.events import SegmentResult
from upscaler_core.pipeline.file_conversion import convert
from upscaler_core.plugins.registry import discover
from upscaler_core.testing import fakes, signals

RATE = 48_000


@pytest.fixture
def line():
    mirror = fakes.Mirror(fakes.MirrorOptions(rate=RATE))
    return Pipeline(discover().resampler("linear"), RATE, models={"mirror": mirror})


def done(line: Pipeline, x: torch.Tensor, folder: Path, **settings):
    """The result, and the restoration that the output's tags tell of."""
    source, target = folder / "in.wav", folder / "out.flac"
    sf.write(source, x.T.numpy(), RATE, subtype="PCM_24")
    with open_recording(source, discover()) as recording:
        output = decide_output(source, target, lambda: recording.info, discover(), OutputSettings(RATE, overwrite=True))
        result = convert(line, recording, output, **settings)
    with open_recording(target, discover()) as written:
        return result, restoration_of(written.info.tags)


def test_a_given_bandwidth_replaces_the_survey(line, tmp_path):
    x = signals.noise((1, RATE // 2))
    events = []
    track = BandwidthTrack((Segment(0, Bandwidth(4_000, confidence=0.5)), Segment(12_000, Bandwidth(24_000))))
    result, restoration = done(line, x, tmp_path, bandwidth=track, on_event=events.append)
    assert events[0].passes == 1
    assert (result.cutoff_hz, result.confidence, result.added, result.note) == (4_000, 0.5, True, "")
    assert result.segments == (
        SegmentResult(0, 4_000, 0.5, added=True, sure=False),
        SegmentResult(0.25, 24_000, 1.0, added=False),
    )
    assert (restoration.above_hz, restoration.pipeline) == (4_000, "mirror")
    measured, restoration = done(line, x, tmp_path)
    assert (measured.cutoff_hz, measured.added, measured.note) == (24_000, False, "full band (to 24.0 kHz)")
    assert restoration is None


def test_without_a_rate_a_file_gets_what_its_format_holds(tmp_path):
    line = Pipeline(discover().resampler("linear"))
    sf.write(tmp_path / "in.wav", torch.zeros(800, 1).numpy(), 8_000)
    rates = [line.write(tmp_path / "in.wav", tmp_path / f"x.{suffix}").rate_out for suffix in ("mp3", "flac")]
    assert rates == [48_000, 96_000]
    assert line(torch.zeros(1, 800), 8_000).shape == (1, 9_600)
    with pytest.raises(UsageError, match="bits is an option of 'wav'"):
        line.write(tmp_path / "in.wav", tmp_path / "y.flac", export={"use": "wav", "bits": 16})


def test_silence_is_called_so_and_not_restored(line, tmp_path):
    result, restoration = done(line, torch.zeros(2, 9_600), tmp_path)
    assert (result.added, result.note, restoration) == (False, "silence", None)
    given = BandwidthTrack.constant(Bandwidth(4_000))
    result, restoration = done(line, torch.zeros(2, 9_600), tmp_path, bandwidth=given)
    assert (result.added, result.note, restoration) == (False, "silence", None)
    resampled, restoration = done(Pipeline(line.resampler, RATE), torch.zeros(1, 9_600), tmp_path)
    assert (resampled.note, resampled.cutoff_hz, resampled.segments, restoration) == ("no model", None, (), None)


def test_every_output_says_what_made_it(line, tmp_path):
    def tag(pipeline: Pipeline, x: torch.Tensor) -> str:
        done(pipeline, x, tmp_path)
        (text,) = FLAC(tmp_path / "out.flac")["ENHANCED_BY"]
        return text.removeprefix(f"ai-audio-upscaler {version('ai-audio-upscaler')}")

    narrow = signals.band_limited(RATE, 6_000, 0.3)
    assert tag(replace(line, name="mine"), narrow).startswith("; restored above 6.")
    assert tag(replace(line, name="mine"), narrow).endswith(" kHz; mine") and tag(line, narrow).endswith("; mirror")
    assert tag(replace(line, name="mine"), torch.zeros(2, 9_600)) == "; mine"
    assert tag(Pipeline(line.resampler, RATE), narrow) == ""


def test_the_same_input_gives_the_same_bytes(line, tmp_path):
    files = []
    for _ in range(2):
        done(line, signals.band_limited(RATE, 6_000, 0.3), tmp_path)
        files.append((tmp_path / "out.flac").read_bytes())
    assert files[0] == files[1] and b"ENHANCED_BY" in files[0]
