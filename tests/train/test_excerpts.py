"""Excerpts: they depend on the seed and their number alone, and are drawn and degraded as the recipe says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import soundfile
import torch

from upscaler_core import UsageError, discover
from upscaler_core.dsp import highpass
from upscaler_train.data.excerpts import Excerpts, draw_probabilities
from upscaler_train.data.recordings import RecordingCache
from upscaler_train.recipe import DataSpec, RecipeSpec

RATE = 48_000


def excerpts(recordings, **keys):
    recipe = {"version": 1, "data": {"train": ["x"]}, "models": {"m": {"use": "tilted-noise"}}, **keys}
    return Excerpts(RecipeSpec.model_validate(recipe), recordings, RATE, 9_600)


def db(x):
    """The RMS level."""
    return 20 * torch.log10(x.double().square().mean().sqrt() + 1e-12)


def same(one, other):
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def test_an_excerpt_depends_on_seed_and_number_alone(recordings):
    keys = {
        "mix": 0.5,
        "augmentations": [{"use": "level", "probability": 0.5}],
        "degradations": [{"use": "quantization"}, {"use": "mp3", "probability": 0.5}],
    }
    one, other = excerpts(recordings, **keys), excerpts(recordings, **keys)
    forwards = [one[n] for n in range(6)]
    backwards = [other[n] for n in reversed(range(6))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not any(same(a[:2], b[:2]) for a, b in itertools.pairwise(forwards))
    assert not same(excerpts(recordings, **keys, seed=1)[0], forwards[0])


def test_the_robust_switch_and_the_order_of_the_white_paper(recordings):
    limit = {"use": "band-limit", "min_hz": 6000, "max_hz": 6000, "kinds": ["brickwall"]}
    keys = {"band_limit": limit, "degradations": [{"use": "quantization", "min_bits": 6, "max_bits": 6}]}
    plain = excerpts(recordings, **keys, robust_training=False)[3]
    robust = excerpts(recordings, **keys)[3]
    assert torch.equal(plain.target, robust.target)
    assert plain.cutoff_hz == robust.cutoff_hz == pytest.approx(6000, rel=0.02)
    noise = robust.baseline - plain.baseline
    assert db(noise) > -60
    middle = slice(1000, -1000)
    above = highpass(robust.baseline[None], torch.tensor([6300.0]), RATE)[0, :, middle]
    assert db(above) < db(noise) - 70  # down-sampling comes last


def test_kinds_have_their_shares(recordings, tmp_path):
    (tmp_path / "manifest.csv").write_text("file,kind\na.flac,speech\nb.ogg,music\nc.ogg,music\n")
    names = ("a.flac", "b.ogg", "c.ogg")
    frames = (1_000, 3_000, 1_000)
    chosen = [
        replace(recordings[0], source=str(tmp_path / name), frames=n) for name, n in zip(names, frames, strict=True)
    ]

    def probabilities(**data):
        return draw_probabilities(chosen, DataSpec(train=["."], **data), RATE)

    assert probabilities() == pytest.approx([0.2, 0.6, 0.2])
    assert probabilities(shares={"speech": 0.5}) == pytest.approx([0.5, 0.375, 0.125])
    with pytest.raises(UsageError, match="kind 'drums'"):
        probabilities(shares={"drums": 0.1})
    chosen[0], chosen[1] = (
        replace(r, bandwidth_hz=hz) for r, hz in zip(chosen, (0.45 * RATE, 0.4 * RATE), strict=False)
    )
    chosen[2] = replace(chosen[2], bandwidth_hz=RATE / 2)
    assert probabilities(full_band=4) == pytest.approx([4 / 11, 3 / 11, 4 / 11])
    assert probabilities(shares={"speech": 0.3}, full_band=4) == pytest.approx([0.3, 0.3, 0.4])


def test_speed_moves_pitch_and_bandwidth(recordings, tmp_path):
    t = torch.arange(4 * RATE) / RATE
    soundfile.write(tmp_path / "tone.wav", (0.5 * torch.sin(2 * torch.pi * 1_000 * t)).numpy(), RATE, "FLOAT")
    cache = RecordingCache(tmp_path / "cache", 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    (tone,) = cache.recordings([tmp_path / "tone.wav"], pytest.fail)
    drawn = [excerpts([replace(tone, bandwidth_hz=20_000.0)], speed=0.1)[n] for n in range(12)]
    pitches = [float(torch.fft.rfft(e.target[0] * torch.hann_window(9_600)).abs().argmax()) * 5 for e in drawn]
    assert min(pitches) < 960 < 1_040 < max(pitches)
    assert all(900 <= pitch <= 1_100 for pitch in pitches)
    ends = [min(20 * pitch, 24 * min(pitch, 1_000)) for pitch in pitches]
    assert [e.bandwidth_hz for e in drawn] == pytest.approx(ends, rel=0.01)
    assert all(e.target.shape == (1, 9_600) for e in drawn)
