"""What training reads: recordings, excerpts, bands; and that it hears what a pipeline would."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from conftest import ROOT

from upscaler_core import Estimate, Pipeline, UsageError, discover
from upscaler_core.dsp import filters, highpass, lowpass, measure_bandwidth
from upscaler_core.dsp.streaming import run
from upscaler_core.pipeline import load_form
from upscaler_core.testing.fakes import Mirror, MirrorOptions
from upscaler_train.excerpts import Excerpts, chances
from upscaler_train.objective import Objective
from upscaler_train.recipe import DataSpec, RecipeSpec, ScoringSpec
from upscaler_train.recordings import Cache, audio_files
from upscaler_train.scoring import Scoring, enhanced
from upscaler_train.system import System
from upscaler_train.weights import build_models

RATE = 48_000


@pytest.fixture
def recordings(cache, audio):
    cache = Cache(cache, 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    paths = [audio / "arovane_beat_d_cc0_lossless.flac", audio / "void_sensor_30s_streamcopy.ogg"]
    return list(cache.recordings(paths, pytest.fail))


def excerpts(recordings, **keys):
    recipe = {"version": 1, "data": {"train": ["x"]}, "models": {"m": {"use": "tilted-noise"}}, **keys}
    return Excerpts(RecipeSpec.model_validate(recipe), recordings, RATE, 9_600)


def db(x):
    return 20 * torch.log10(x.double().square().mean().sqrt() + 1e-12)


def same(one, other):
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True))


def test_a_recording_is_kept_as_it_sounds(recordings, audio):
    recording = recordings[0]
    samples, rate = soundfile.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    original = torch.from_numpy(samples.T.copy())
    truth = discover().resampler("poly-sinc-hq")(original, rate, RATE)
    kept = recording.read(0, recording.frames)
    assert kept.shape == truth.shape
    assert db(kept - truth) < db(truth) - 75
    assert not recording.read(recording.frames - 10, 20)[:, 10:].any()


def test_a_recording_is_decoded_again_only_when_it_changed(tmp_path, audio):
    path = tmp_path / "a.flac"
    path.write_bytes((audio / "speech_kerstin_de_cc0_48k.flac").read_bytes())
    cache = Cache(tmp_path / "kept", 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    (first,) = cache.recordings([path], pytest.fail)
    made = Path(first.pcm).stat().st_mtime_ns
    assert list(cache.recordings([path], pytest.fail)) == [first]
    assert Path(first.pcm).stat().st_mtime_ns == made
    os.utime(path, ns=(1, 1))
    (again,) = cache.recordings([path], pytest.fail)
    assert again.pcm != first.pcm


def test_a_recording_at_another_rate_of_the_models_is_taken_as_it_is(tmp_path, audio):
    path = audio / "void_sensor_30s_streamcopy.ogg"
    original, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 44_100
    resample = discover().resampler("poly-sinc-hq")
    (changed,) = Cache(tmp_path, 2**30, RATE, resample, discover()).recordings([path], pytest.fail)
    (kept,) = Cache(tmp_path, 2**30, RATE, resample, discover(), {44_100}).recordings([path], pytest.fail)
    assert kept.frames == len(original)
    assert db(kept.read(0, kept.frames) - torch.from_numpy(original.T)) < -75
    assert kept.bandwidth_hz == pytest.approx(changed.bandwidth_hz * RATE / 44_100, rel=0.01)


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path, audio):
    paths = [audio / "speech_kerstin_de_cc0_48k.flac", audio / "arovane_beat_d_cc0_lossless.flac"]
    resample, warned = discover().resampler("poly-sinc-hq"), []
    (old,) = Cache(tmp_path, 2**30, RATE, resample, discover()).recordings(paths[:1], warned.append)
    (new,) = Cache(tmp_path, 2**30, RATE, resample, discover()).recordings(paths[1:], warned.append)
    limit = Path(new.pcm).stat().st_size + 1
    (kept,) = Cache(tmp_path, limit, RATE, resample, discover()).recordings(paths[1:], warned.append)
    assert kept == new
    assert not Path(old.pcm).exists()
    assert not warned


def test_folders_files_and_globs_name_audio_once(audio):
    found = audio_files(
        [str(audio), str(audio / "*.ogg"), "audio/arovane_beat_d_cc0_lossless.flac"], audio.parent, discover()
    )
    assert sorted(path.name for path in found) == sorted(
        p.name for p in audio.iterdir() if p.suffix in (".flac", ".ogg")
    )


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


def test_bands_are_cut_as_pipelines_cut_them():
    n = torch.arange(48_000, dtype=torch.float64) / RATE
    tones = torch.stack([torch.sin(2 * torch.pi * f * n) for f in (7_800, 8_200, 12_000)])[:, None].float()
    cut = lowpass(tones, torch.tensor([8_000.0, 8_000.0, 24_000.0]), RATE)
    middle = slice(2_000, -2_000)
    assert db((cut - tones)[0, 0, middle]) < -90
    assert db(cut[1, 0, middle]) < -90
    assert torch.equal(cut[2], tones[2])
    noise = torch.randn(1, 1, 30_000, generator=torch.Generator().manual_seed(0))
    pipelines = torch.cat(list(run(filters.highpass(RATE, 5_000.0), [noise[0]])), -1)
    assert db(highpass(noise, torch.tensor([5_000.0]), RATE)[0] - pipelines) < -110


@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
def test_training_hears_what_a_pipeline_makes(recordings, stereo):
    model = Mirror(MirrorOptions(level=0.3))
    x = recordings[1].read(48_000, 96_000)
    pipeline = Pipeline(discover().resampler("poly-sinc-hq"), RATE, {"m": model}, stereo=stereo, cutoff_hz=7_000.0)
    system = System({"m": model}, mid_side=stereo == "mid-side")
    heard = enhanced(system, x[None], 7_000.0, torch.device("cpu"))[0]
    made = pipeline(x, RATE)
    assert db(heard - x) > -60
    assert db((heard - made)[:, 2_000:-2_000]) < db(heard - x) - 60


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_recipe_is_right(path):
    recipe = load_form(path, RecipeSpec, discover())
    objective = Objective(recipe.losses, build_models(recipe, discover()), discover())
    assert set(objective.losses) == {use.use for use in recipe.losses}
    assert objective.losses or objective.models


def test_the_page_on_recipes_knows_every_key():
    page = (ROOT / "docs" / "training.md").read_text()
    keys = {"version", *re.findall(r"`([a-z_.]+)`", page.split("## The recipe")[1].split("## What happens")[0])}
    assert set(RecipeSpec.model_fields) <= keys | {"data"}


def test_scoring_tells_models_where_a_survey_finds_the_edge(recordings):
    """It told them the lower rate's Nyquist frequency, 3 % above, and scored what nobody would hear."""
    told = []

    class Spy:
        rate, length_multiple, receptive_field = RATE, 1, 0

        def __call__(self, baseline, conditions):
            told.append(float(conditions.cutoff_hz))
            return Estimate(baseline)

    resample = discover().resampler("poly-sinc-hq")
    spec = ScoringSpec(cutoffs=[4_000, 8_000])
    scoring = Scoring(spec, recordings[:1], discover().metric("lsd"), resample, RATE, 3 * RATE, 1)
    scoring.of(System({"spy": Spy()}), torch.device("cpu"))
    found = [measure_bandwidth(scoring.clips[0].inputs[cutoff][0].split(4_096, -1), RATE) for cutoff in spec.cutoffs]
    assert told == pytest.approx([edge.cutoff_hz for edge in found], rel=0.015)


def test_kinds_have_their_shares(recordings, tmp_path):
    (tmp_path / "manifest.csv").write_text("file,kind\na.flac,speech\nb.ogg,music\nc.ogg,music\n")
    names = ("a.flac", "b.ogg", "c.ogg")
    frames = (1_000, 3_000, 1_000)
    heard = [
        replace(recordings[0], source=str(tmp_path / name), frames=n) for name, n in zip(names, frames, strict=True)
    ]

    def drawn(**data):
        return chances(heard, DataSpec(train=["."], **data), RATE)

    assert drawn() == pytest.approx([0.2, 0.6, 0.2])
    assert drawn(shares={"speech": 0.5}) == pytest.approx([0.5, 0.375, 0.125])
    with pytest.raises(UsageError, match="kind 'drums'"):
        drawn(shares={"drums": 0.1})
    heard[0], heard[1] = (replace(r, bandwidth_hz=hz) for r, hz in zip(heard, (0.45 * RATE, 0.4 * RATE), strict=False))
    heard[2] = replace(heard[2], bandwidth_hz=RATE / 2)
    assert drawn(full_band=4) == pytest.approx([4 / 11, 3 / 11, 4 / 11])
    assert drawn(shares={"speech": 0.3}, full_band=4) == pytest.approx([0.3, 0.3, 0.4])


def test_speed_moves_pitch_and_bandwidth(recordings, tmp_path):
    t = torch.arange(4 * RATE) / RATE
    soundfile.write(tmp_path / "tone.wav", (0.5 * torch.sin(2 * torch.pi * 1_000 * t)).numpy(), RATE, "FLOAT")
    cache = Cache(tmp_path / "kept", 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    (tone,) = cache.recordings([tmp_path / "tone.wav"], pytest.fail)
    drawn = [excerpts([replace(tone, bandwidth_hz=20_000.0)], speed=0.1)[n] for n in range(12)]
    pitches = [float(torch.fft.rfft(e.target[0] * torch.hann_window(9_600)).abs().argmax()) * 5 for e in drawn]
    assert min(pitches) < 960 < 1_040 < max(pitches)
    assert all(900 <= pitch <= 1_100 for pitch in pitches)
    ends = [min(20 * pitch, 24 * min(pitch, 1_000)) for pitch in pitches]
    assert [e.bandwidth_hz for e in drawn] == pytest.approx(ends, rel=0.01)
    assert all(e.target.shape == (1, 9_600) for e in drawn)
