"""Which path, exporter and rate an output gets, and what is refused, with the real exporters and real files."""

import numpy as np
import pytest
import soundfile as sf

from upscaler_core import AudioInfo, InputError, OutputError, UsageError, discover
from upscaler_core.files.output import (
    RATES,
    OutputSettings,
    build_exporter,
    decide_output,
    find_exporter,
    highest_rate,
)

SIXTEEN_BITS = AudioInfo(44_100, 2, 1_000, "WAV, 16-bit PCM", bits=16)


@pytest.fixture(scope="module")
def registry():
    return discover()


def decide(source, target, registry, settings=OutputSettings(), info=SIXTEEN_BITS, **more):
    return decide_output(source, target, lambda: info, registry, settings, **more)


@pytest.fixture
def source(tmp_path):
    sf.write(tmp_path / "in.wav", np.zeros(100), 44_100)
    return tmp_path / "in.wav"


@pytest.mark.parametrize(
    ("suffix", "name", "rate"),
    [(".flac", "flac", 96_000), (".wav", "wav", 96_000), (".MP3", "mp3", 48_000), (".oga", "ogg", 96_000)],
)
def test_the_suffix_picks_the_exporter_and_its_highest_rate(source, tmp_path, registry, suffix, name, rate):
    path = tmp_path / f"out{suffix}"
    output = decide(source, path, registry)
    assert (output.path, output.rate) == (path, rate)
    assert find_exporter(path, registry).component.name == name
    assert not path.exists()


def test_a_rate_of_the_users_own_is_used_even_where_the_format_lacks_it(source, tmp_path, registry):
    with pytest.raises(OutputError, match=r"out\.mp3 cannot be written: MP3 holds at most 48,000 Hz"):
        decide(source, tmp_path / "out.mp3", registry, OutputSettings(rate=96_000))


def test_channels_are_checked_against_the_header(source, tmp_path, registry):
    assert decide(source, tmp_path / "out.mp3", registry).rate == 48_000
    with pytest.raises(OutputError, match=r"out\.mp3 cannot be written: MP3 holds 1 or 2 channels, not 6"):
        decide(source, tmp_path / "out.mp3", registry, info=AudioInfo(48_000, 6, None, "WAV"))


def test_options_count_for_their_own_exporter_only(tmp_path, registry):
    settings = OutputSettings(exporter="flac", options={"bits": 16})
    assert build_exporter(tmp_path / "x.flac", registry, settings).options.bits == 16
    with pytest.raises(UsageError, match=r"x\.wav is written by 'wav', and bits is an option of 'flac'"):
        build_exporter(tmp_path / "x.wav", registry, settings)
    assert build_exporter(tmp_path / "x.wav", registry, OutputSettings(options={"bits": 16})).options.bits == 16
    assert build_exporter(tmp_path / "x.wav", registry, OutputSettings(exporter="flac")).options.bits == "auto"


@pytest.mark.parametrize(
    ("info", "rate", "suffix"),
    [
        (SIXTEEN_BITS, None, ".flac"),
        (AudioInfo(44_100, 2, None, "MP3"), None, ".flac"),
        (AudioInfo(44_100, 2, None, "WAV", bits=24), None, ".flac"),
        (AudioInfo(44_100, 2, None, "WAV", bits=32), None, ".wav"),
        (AudioInfo(44_100, 2, None, "WAV", bits=32, floating=True), None, ".wav"),
        (AudioInfo(44_100, 9, None, "WAV", bits=16), None, ".wav"),
        (SIXTEEN_BITS, 768_000, ".wav"),
        (SIXTEEN_BITS, 88_201, ".wav"),
    ],
)
def test_the_default_suffix_loses_nothing(tmp_path, registry, info, rate, suffix):
    output = decide(tmp_path / "in.wav", tmp_path / "no. 1", registry, OutputSettings(rate=rate), info, add_suffix=True)
    assert output.path == tmp_path / f"no. 1{suffix}"
    output.path.write_bytes(b"other")
    with pytest.raises(OutputError, match="exists: add --overwrite"):
        decide(tmp_path / "in.wav", tmp_path / "no. 1", registry, OutputSettings(rate=rate), info, add_suffix=True)


def test_what_stands_in_the_way_is_refused(source, tmp_path, registry):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "other.wav").write_bytes(b"other")
    (tmp_path / "link.wav").symlink_to(source)
    for overwrite in (False, True):
        settings = OutputSettings(overwrite=overwrite)
        for same in (source, tmp_path / "link.wav", tmp_path / "folder.wav" / ".." / "in.wav"):
            with pytest.raises(UsageError, match="is the input itself"):
                decide(source, same, registry, settings)
        with pytest.raises(UsageError, match="is a folder: name a file in it"):
            decide(source, tmp_path / "folder.wav", registry, settings)
        with pytest.raises(UsageError, match=r"no exporter writes '\.flacc'"):
            decide(source, tmp_path / "x.flacc", registry, settings)
    with pytest.raises(OutputError, match="exists: add --overwrite"):
        decide(source, tmp_path / "other.wav", registry)
    assert decide(source, tmp_path / "other.wav", registry, OutputSettings(overwrite=True)).rate == RATES[0]


def test_the_source_is_opened_only_after_what_can_be_refused_without_it(tmp_path, registry):
    def opened():
        raise InputError("it is missing")

    (tmp_path / "taken.wav").write_bytes(b"other")
    for name, error in (("taken.wav", OutputError), ("x.flacc", UsageError), ("x.wav", InputError)):
        with pytest.raises(error):
            decide_output(tmp_path / "missing.wav", tmp_path / name, opened, registry, OutputSettings())


def test_the_highest_rate_is_the_first_that_is_taken():
    class Only:
        def __init__(self, *rates):
            self.rates = rates

        def refuse(self, rate, channels):
            return None if rate in self.rates else "no"

    assert highest_rate(Only(8_000, 44_100)) == 44_100
    assert highest_rate(Only(12_345)) == RATES[0]
