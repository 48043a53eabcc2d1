"""Decoded recordings: what is kept of them in the cache, and when they are decoded again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from upscaler_core import discover
from upscaler_train.data.recordings import RecordingCache

RATE = 48_000


def db(x):
    """The RMS level."""
    return 20 * torch.log10(x.double().square().mean().sqrt() + 1e-12)


def test_a_decoded_recording_is_the_original_but_for_16_bits(recordings, audio):
    recording = recordings[0]
    samples, rate = soundfile.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    original = torch.from_numpy(samples.T.copy())
    truth = discover().resampler("poly-sinc-hq")(original, rate, RATE)
    decoded = recording.read(0, recording.frames)
    assert decoded.shape == truth.shape
    assert db(decoded - truth) < db(truth) - 75
    assert not recording.read(recording.frames - 10, 20)[:, 10:].any()


def test_a_recording_is_decoded_again_only_when_it_changed(tmp_path, audio):
    path = tmp_path / "a.flac"
    path.write_bytes((audio / "speech_kerstin_de_cc0_48k.flac").read_bytes())
    cache = RecordingCache(tmp_path / "cache", 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    (first,) = cache.recordings([path], pytest.fail)
    made = Path(first.pcm).stat().st_mtime_ns
    assert list(cache.recordings([path], pytest.fail)) == [first]
    assert Path(first.pcm).stat().st_mtime_ns == made
    os.utime(path, ns=(1, 1))
    (again,) = cache.recordings([path], pytest.fail)
    assert again.pcm != first.pcm


def test_a_recording_at_another_rate_of_the_models_is_not_resampled(tmp_path, audio):
    original, rate = soundfile.read(
        audio / "void_sensor_30s_streamcopy.ogg", 3 * 44_100, 5 * 44_100, dtype="float32", always_2d=True
    )
    assert rate == 44_100
    path = tmp_path / "part.wav"
    soundfile.write(path, original, rate, "FLOAT")
    resample = discover().resampler("poly-sinc-hq")
    (changed,) = RecordingCache(tmp_path, 2**30, RATE, resample, discover()).recordings([path], pytest.fail)
    (decoded,) = RecordingCache(tmp_path, 2**30, RATE, resample, discover(), {44_100}).recordings([path], pytest.fail)
    assert decoded.frames == len(original)
    assert db(decoded.read(0, decoded.frames) - torch.from_numpy(original.T)) < -75
    assert decoded.bandwidth_hz == pytest.approx(changed.bandwidth_hz * RATE / 44_100, rel=0.01)


def test_the_cache_removes_what_was_used_longest_ago(tmp_path, audio):
    paths = [audio / "speech_kerstin_de_cc0_48k.flac", audio / "arovane_beat_d_cc0_lossless.flac"]
    resample, warnings = discover().resampler("poly-sinc-hq"), []
    (old,) = RecordingCache(tmp_path, 2**30, RATE, resample, discover()).recordings(paths[:1], warnings.append)
    (new,) = RecordingCache(tmp_path, 2**30, RATE, resample, discover()).recordings(paths[1:], warnings.append)
    limit = Path(new.pcm).stat().st_size + 1
    (decoded,) = RecordingCache(tmp_path, limit, RATE, resample, discover()).recordings(paths[1:], warnings.append)
    assert decoded == new
    assert not Path(old.pcm).exists()
    assert not warnings


@pytest.mark.parametrize("damage", ["card", "samples"])
def test_a_damaged_recording_in_the_cache_is_decoded_again(tmp_path, audio, damage):
    path = audio / "arovane_beat_d_cc0_lossless.flac"
    cache = RecordingCache(tmp_path, 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    (first,) = cache.recordings([path], pytest.fail)
    samples = first.read(0, first.frames)
    pcm = Path(first.pcm)
    if damage == "card":
        pcm.with_suffix(".json").write_text('{"source": 1')
    else:
        pcm.write_bytes(pcm.read_bytes()[:1000])
    (again,) = cache.recordings([path], pytest.fail)
    assert again == first
    assert torch.equal(again.read(0, again.frames), samples)


USING = """
import sys, time
from pathlib import Path
from upscaler_train.data.cache_use import CacheUse
use = CacheUse(Path(sys.argv[1]))
for key in sys.argv[2:]:
    use.add(key)
print("used", flush=True)
time.sleep(60)
"""


def test_what_a_running_training_needs_is_not_removed(tmp_path, audio):
    paths = [audio / "speech_kerstin_de_cc0_48k.flac", audio / "arovane_beat_d_cc0_lossless.flac"]

    resample = discover().resampler("poly-sinc-hq")
    old, new = RecordingCache(tmp_path, 2**30, RATE, resample, discover()).recordings(paths, pytest.fail)
    limit = Path(new.pcm).stat().st_size + 1
    words = [sys.executable, "-c", USING, tmp_path, Path(old.pcm).stem]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "used\n"
        list(RecordingCache(tmp_path, limit, RATE, resample, discover()).recordings(paths[1:], pytest.fail))
        assert Path(old.pcm).exists()
        other.kill()
    list(RecordingCache(tmp_path, limit, RATE, resample, discover()).recordings(paths[1:], pytest.fail))
    assert not Path(old.pcm).exists()
    assert len(list(tmp_path.glob("*.used"))) <= 1  # the killed one's is gone
