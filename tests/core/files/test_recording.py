"""Files through a pipeline in Python: the survey, the events, and outputs that are complete or absent."""

import contextlib
import json
import sys
from dataclasses import asdict
from types import ModuleType

import pytest
import soundfile as sf
import torch

from upscaler_core import (
    AudioInfo,
    Component,
    InputError,
    OutputError,
    Pipeline,
    Registry,
    UsageError,
    atomic,
    discover,
    hookimpl,
)
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.files import Recording, atomic_write, open_recording
from upscaler_core.pipeline.events import Advanced, Finished, Started, Warned
from upscaler_core.testing import signals
from upscaler_core.testing.fakes import Hiss, MirrorOptions

DITHER = 3e-7
"""More than two steps of 24 bits."""


@pytest.fixture
def limited(tmp_path):
    """A 48 kHz file whose content ends at 8 kHz."""
    path = tmp_path / "limited.wav"
    sf.write(path, signals.band_limited(48_000, 8_000, 6.0, channels=2).T.numpy(), 48_000, subtype="PCM_24")
    return path


def pipeline_of(**settings):
    model = Hiss(MirrorOptions(receptive_field=64, level=0.01))
    resampler = discover().resampler("poly-sinc-hq", dsp_quality="fast")
    return Pipeline(resampler, target_rate=48_000, models={"hiss": model}, **settings)


def test_a_file_is_surveyed_then_enhanced_above_its_cutoff(limited, tmp_path):
    events = []
    done = pipeline_of().write(limited, tmp_path / "out.wav", on_event=events.append)
    assert isinstance(done, Finished)
    assert done.cutoff_hz == pytest.approx(8_000, rel=0.05)
    assert (done.added, done.note, done.frames, done.seconds) == (True, "", 288_000, 6.0)
    assert [type(events[0]), events[0].passes] == [Started, 2]
    assert sum(
        event.seconds for event in events if isinstance(event, Advanced) and event.stage in ("survey", "write")
    ) == pytest.approx(12.0)
    source, out = (torch.from_numpy(sf.read(path)[0].T) for path in (limited, tmp_path / "out.wav"))
    added = torch.fft.rfft(out - source).abs().square().mean(0)
    f = torch.fft.rfftfreq(source.shape[-1], 1 / 48_000)
    assert added[f > 9_000].mean() > 1e4 * added[f < 7_000].mean()


def test_a_full_band_file_is_the_baseline_and_says_so(tmp_path):
    sf.write(tmp_path / "full.wav", signals.noise((96_000, 1)).numpy(), 48_000, subtype="FLOAT")
    done = pipeline_of().write(tmp_path / "full.wav", tmp_path / "out.wav")
    assert not done.added
    assert done.note == "full band (to 24.0 kHz)"
    assert (sf.read(tmp_path / "full.wav")[0] == sf.read(tmp_path / "out.wav")[0]).all()


class Known:
    """A detector that knows the answer."""

    def __init__(self, *segments):
        self.track = BandwidthTrack(tuple(Segment(start, bandwidth) for start, bandwidth in segments))

    def survey(self, rate):
        return self

    def add(self, block):
        pass

    def finish(self):
        return self.track


def test_several_segments_are_told_one_by_one(limited, tmp_path):
    full, radio = Bandwidth(24_000.0, confidence=0.9), Bandwidth(8_000.0, confidence=0.7)
    telephone = Bandwidth(3_400.0, confidence=0.8, above="images")
    detector = Known((0, full), (96_000, radio), (144_000, telephone))
    events = []
    done = pipeline_of(detector=detector).write(limited, tmp_path / "out.wav", on_event=events.append)
    assert (done.cutoff_hz, done.confidence, done.added, done.note) == (3_400, 0.7, True, "")
    assert done.above_replaced
    assert events[0].passes == 2
    assert sum(
        event.seconds for event in events if isinstance(event, Advanced) and event.stage in ("survey", "write")
    ) == pytest.approx(12.0)
    unknown = {"cause": "unknown", "codec": ""}
    assert json.loads(json.dumps(asdict(done)["segments"])) == [
        {"start_s": 0.0, "cutoff_hz": 24_000.0, "confidence": 0.9, "added": False, "sure": True, **unknown},
        {"start_s": 2.0, "cutoff_hz": 8_000.0, "confidence": 0.7, "added": True, "sure": True, **unknown},
        {"start_s": 3.0, "cutoff_hz": 3_400.0, "confidence": 0.8, "added": True, "sure": True, **unknown},
    ]
    source, out = (torch.from_numpy(sf.read(path)[0].T) for path in (limited, tmp_path / "out.wav"))
    change = (out - source).abs().amax(0)
    assert change[:90_000].max() < DITHER < change[100_000:140_000].max()


def test_where_no_segment_is_restored_the_note_says_so(limited, tmp_path):
    detector = Known((0, Bandwidth(24_000.0)), (96_000, Bandwidth(19_500.0, confidence=0.7, above="images")))
    done = pipeline_of(detector=detector).write(limited, tmp_path / "out.wav")
    assert (done.added, done.note) == (False, "full band (to 19.5 kHz)")
    assert (done.cutoff_hz, done.confidence, done.above_replaced) == (19_500, 0.7, False)
    assert [segment.added for segment in done.segments] == [False, False]


@pytest.mark.parametrize(
    ("settings", "confidence", "replaced"),
    [
        ({"detector": Known((0, Bandwidth(8_000.0, confidence=0.7)))}, 0.7, False),
        ({"detector": Known((0, Bandwidth(8_000.0, confidence=0.7))), "above_edge": "replace"}, 0.7, True),
        ({"cutoff_hz": 8_000.0}, 1.0, False),
    ],
)
def test_one_bandwidth_is_one_segment(limited, tmp_path, settings, confidence, replaced):
    done = pipeline_of(**settings).write(limited, tmp_path / "out.wav")
    assert (done.cutoff_hz, done.confidence, done.above_replaced) == (8_000, confidence, replaced)
    assert (len(done.segments), done.added, done.note) == (1, True, "")


def test_without_models_nothing_is_measured_or_taken_away(limited, tmp_path):
    resampler = discover().resampler("poly-sinc-hq", dsp_quality="fast")
    done = Pipeline(resampler, target_rate=48_000, above_edge="replace").write(limited, tmp_path / "out.wav")
    assert (done.cutoff_hz, done.confidence, done.segments, done.added) == (None, None, (), False)
    assert (done.note, done.above_replaced) == ("no model", False)
    assert abs(sf.read(limited)[0] - sf.read(tmp_path / "out.wav")[0]).max() < DITHER


def test_damage_is_told_once_or_refused(limited, tmp_path):
    limited.write_bytes(limited.read_bytes()[:500_001])
    events = []
    done = pipeline_of().write(limited, tmp_path / "out.wav", on_event=events.append)
    assert [type(event) for event in events].count(Warned) == len(done.warnings) == 1
    assert "damaged" in done.warnings[0]
    with pytest.raises(InputError, match=r"limited\.wav is damaged"):
        pipeline_of().write(limited, tmp_path / "strict.wav", strict=True)
    assert not (tmp_path / "strict.wav").exists()


def test_a_reader_that_fails_midway_leaves_nothing(limited, tmp_path, monkeypatch):
    def fail(self, frames=0):
        yield from ()
        raise InputError("the tape tore")

    monkeypatch.setattr(Recording, "blocks", fail)
    with pytest.raises(InputError, match="the tape tore"):
        pipeline_of(cutoff_hz=8_000.0).write(limited, tmp_path / "new" / "out.wav")
    assert list(tmp_path.glob("new/*")) == []


@pytest.mark.parametrize("nameless", [True, False])
def test_complete_or_absent(tmp_path, monkeypatch, nameless):
    if not nameless:  # a file system, or a system, without nameless files
        monkeypatch.setattr(atomic, "_open_nameless", lambda folder: None)
    target = tmp_path / "a" / "b" / "out.bin"
    with atomic_write(target) as part:
        part.write_bytes(b"first")
        assert not target.exists()
    assert target.read_bytes() == b"first"
    failing = atomic_write(target)
    failing.__enter__().write_bytes(b"second, half of i")
    assert not failing.__exit__(RuntimeError, RuntimeError(), None)
    assert target.read_bytes() == b"first"
    assert [path.name for path in target.parent.iterdir()] == ["out.bin"]


def test_outputs_that_cannot_be_are_refused_in_a_sentence(limited, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match=r"file/x\.wav cannot be written"):
        pipeline_of().write(limited, tmp_path / "file" / "x.wav")
    with pytest.raises(UsageError, match="is a folder"):
        pipeline_of().write(limited, tmp_path / "folder.wav")
    with pytest.raises(UsageError, match="is the input itself"):
        pipeline_of().write(limited, limited, overwrite=True)
    (tmp_path / "taken.wav").write_text("")
    with pytest.raises(OutputError, match="--overwrite"):
        pipeline_of().write(limited, tmp_path / "taken.wav")


def test_a_third_partys_reader_and_exporter_are_picked_by_suffix(fake_registry, limited, tmp_path):
    pipeline = pipeline_of(cutoff_hz=8_000.0)
    x = signals.noise((2, 4_800))
    with fake_registry.exporter("raw").open(tmp_path / "x.raw", 48_000, 2) as sink:
        sink.write(x)
    done = pipeline.write(tmp_path / "x.raw", tmp_path / "y.raw", registry=fake_registry)
    assert done.frames == 4_800
    with pytest.raises(UsageError, match=r"no exporter writes '\.wav'; choose from \.raw"):
        pipeline.write(tmp_path / "x.raw", tmp_path / "y.wav", registry=fake_registry)
    with pytest.raises(InputError, match="it does not begin with 'raw'"):
        pipeline.write(limited, tmp_path / "z.raw", registry=fake_registry)


class Half:
    """A reader of the plugin `halves`, which reads the first part of a second, and says that there is more."""

    length, damage, silenced = 24_000, "the rest cannot be reached", 6_000

    def __init__(self, options=None):
        self.info = AudioInfo(48_000, 1, None, "test")

    def open(self, path):
        return contextlib.nullcontext(self)

    def blocks(self, frames):
        yield torch.ones(1, self.length)


class More(Half):
    """One that reads all of it."""

    length, damage, silenced = 48_000, None, 0


@pytest.mark.parametrize(("others", "share", "damage"), [
    ([More], 0, "the rest cannot be reached; it was read by halves/more, which finds more of it than halves/half"),
    ([Half, More], 0, "the rest cannot be reached; it was read by halves/more, which finds more of it than halves/half"),
    ([], 0.25, "the rest cannot be reached"),
])  # fmt: skip
def test_the_reader_that_finds_most_of_a_damaged_file_is_used(tmp_path, monkeypatch, others, share, damage):
    monkeypatch.setitem(sys.modules, "halves", sys.modules[__name__])
    readers = dict.fromkeys([Half, *others])
    plugin = ModuleType("halves")

    @hookimpl
    def upscaler_readers():
        names = [reader.__name__ for reader in readers]
        return [Component(name.lower(), f"halves:{name}", summary="x", suffixes=(".x",)) for name in names]

    plugin.upscaler_readers = upscaler_readers
    (tmp_path / "a.x").write_bytes(b"x")
    with open_recording(tmp_path / "a.x", Registry(points=(), plugins={"halves": plugin})) as recording:
        assert sum(block.shape[-1] for block in recording.blocks()) == (48_000 if others else 24_000)
        assert (recording.silenced_share, recording.damage) == (share, damage)
