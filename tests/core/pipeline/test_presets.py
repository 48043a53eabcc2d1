"""The presets with weights, as a user runs them: closer to the recording than noise is, and silent where nothing was."""

import math

import numpy as np
import pytest
import soundfile
import torch
from scipy import signal

from upscaler_core import Pipeline, discover, load_pipeline
from upscaler_core.models import read_card
from upscaler_core.models.checkpoint import available
from upscaler_core.plugins.components import Kind

pytestmark = pytest.mark.slow  # whole files through the presets

PRESETS = ["restore", "whitepaper"]
CUTOFF = 8_000


@pytest.fixture(scope="module", params=["void_sensor_30s_streamcopy.ogg", "vibe_ace_30s_streamcopy.ogg"])
def recording(request, audio):
    """Three seconds of music: `[1, time]`, 44.1 kHz."""
    samples, rate = soundfile.read(audio / request.param, dtype="float32", always_2d=True)
    assert rate == 44_100
    return torch.from_numpy(samples[44_100 : 4 * 44_100, :1].T.copy())


@pytest.fixture(scope="module")
def low(recording):
    """The same, at twice the cut-off."""
    return discover().resampler("poly-sinc-hq")(recording, 44_100, 2 * CUTOFF)


@pytest.fixture(scope="module")
def null(recording, low):
    """What having learned nothing scores."""
    up = discover()
    noise = Pipeline(up.resampler("poly-sinc-hq"), 44_100, {"null": up.model("tilted-noise")}, keep_source_band=False)
    return distance(noise(low, 2 * CUTOFF), recording)


def distance(estimate, target):
    lsd = discover().metric("lsd")
    return float(lsd(estimate[None, :, : target.shape[-1]], target[None], 44_100))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_comes_nearer_than_noise(upscaler, recording, low, null, preset):
    soundfile.write(upscaler.folder / "low.wav", low[0].numpy(), 2 * CUTOFF, "FLOAT")
    done = upscaler("enhance", "low.wav", "--preset", preset, "-r", 44_100, "-o", "out.wav", "--no-limit")
    assert done.returncode == 0, done.stderr
    out = torch.from_numpy(soundfile.read(upscaler.folder / "out.wav", dtype="float32")[0])[None]
    assert out.shape == recording.shape
    assert distance(out, recording) < 0.95 * null


def test_restore_does_not_whistle(audio):
    """A loss of energies had taught the network to raise a single bin, which no distance minded."""
    samples, rate = soundfile.read(
        audio / "void_sensor_30s_streamcopy.ogg", dtype="float32", start=176_400, frames=176_400
    )
    sections = signal.cheby1(8, 0.05, CUTOFF, fs=rate, output="sos")
    soft = torch.from_numpy(signal.sosfiltfilt(sections, samples[:, 0]).astype(np.float32))[None]
    out = load_pipeline("restore", discover(), [f"target_rate={rate}"])(soft, rate)[0]
    spectrum = torch.stft(out, 2048, 512, window=torch.hann_window(2048), return_complex=True).abs()
    level = 20 * spectrum.median(-1).values.log10()[round(9_000 / rate * 2048) : round(19_000 / rate * 2048)]
    assert (level[10:-10] - level.unfold(0, 21, 1).median(-1).values).max() < 3


@pytest.mark.parametrize("preset", PRESETS)
def test_a_soft_lowpass_leaves_no_hole(audio, preset):
    samples, rate = soundfile.read(
        audio / "void_sensor_30s_streamcopy.ogg", dtype="float32", start=4 * 44_100, frames=176_400
    )
    spectrum = np.fft.rfft(samples[:, 0])
    hz = np.linspace(0, rate / 2, len(spectrum))
    soft = torch.from_numpy(np.fft.irfft(spectrum / (1 + (hz / CUTOFF) ** 12)).astype(np.float32))[None]
    pipeline = load_pipeline(preset, discover(), [f"target_rate={rate}"])
    edge = pipeline.bandwidth_of([soft], rate).lowest
    assert edge.begin_hz < CUTOFF < edge.cutoff_hz
    level = (
        torch.stft(pipeline(soft, rate)[0], 1024, 256, window=torch.hann_window(1024), return_complex=True)
        .abs()
        .log10()
    )
    level = 20 * level.median(-1).values

    def between(low, high):
        return level[round(low / rate * 1024) : round(high / rate * 1024)]

    lower, upper = (between(*ends).mean() for ends in ((0.94 * edge.begin_hz, edge.begin_hz), (9_300.0, 9_900.0)))
    assert between(edge.begin_hz, 9_300.0).min() > min(lower, upper) - 3
    assert between(edge.begin_hz, 9_300.0).max() < max(lower, upper) + 3


@pytest.mark.parametrize("rates", ["[44100]", "[44100,88200,96000]"])
def test_restore_fills_a_file_of_96_khz_unless_told_not_to(low, rates):
    pipeline = load_pipeline("restore", discover(), ["target_rate=96000", f"models.restore.other_rates={rates}"])
    out = pipeline(low, 2 * CUTOFF)[0, 20_000:-20_000]
    spectrum = torch.fft.rfft(out * torch.hann_window(out.shape[-1])).abs().square()
    audible, top = (
        float(spectrum[len(spectrum) * a // 48 : len(spectrum) * b // 48].mean()) for a, b in ((12, 20), (26, 46))
    )
    fall = 10 * math.log10(audible / top)
    assert 0 < fall < 60 if "96000" in rates else fall > 90


def test_the_octave_above_leaves_the_source_as_it_is():
    noise = 0.1 * torch.randn(1, 96_000, generator=torch.Generator().manual_seed(0))
    spectrum = torch.fft.rfft(noise)
    spectrum[:, 37_800:] = 0  # above 18.9 kHz at 48 kHz
    source = torch.fft.irfft(spectrum)
    restored, plain = (
        load_pipeline(p, discover(), ["target_rate=96000"])(source, 48_000) for p in ("restore", "baseline")
    )
    window = torch.hann_window(192_000)
    power, error = (torch.fft.rfft(window * x)[0].abs().square() for x in (plain, restored - plain))
    assert error[:36_800].sum() < 1e-6 * power[:36_800].sum()
    assert error[44_000:60_000].sum() > 1e-3 * power.sum()


@pytest.mark.parametrize("target", [48_000, 96_000])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_lone_tone_and_silence_gain_nothing(preset, target):
    pipeline = load_pipeline(preset, discover(), [f"target_rate={target}"])
    tone = 0.1 * torch.sin(2 * math.pi * 1_000 * torch.arange(32_000) / 16_000)[None]
    out = pipeline(tone, 16_000)
    spectrum = torch.fft.rfft(out * torch.hann_window(out.shape[-1])).abs().square()[0]
    above = spectrum[len(spectrum) * 8_200 // (target // 2) :].sum()
    assert 10 * math.log10(float(above / spectrum.sum())) < -80
    assert not pipeline(torch.zeros(2, 32_000), 16_000).any()


@pytest.mark.parametrize("preset", PRESETS)
def test_full_band_comes_out_as_the_baseline_does(preset):
    noise = 0.1 * torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0))
    out, plain = (
        load_pipeline(name, discover(), ["target_rate=96000"])(noise, 48_000) for name in (preset, "baseline")
    )
    assert torch.equal(out, plain)


@pytest.mark.parametrize("preset", PRESETS)
def test_channels_that_are_alike_stay_alike(preset, low):
    pipeline = load_pipeline(preset, discover(), ["target_rate=48000"])
    out = pipeline(low[:, :16_000].repeat(2, 1).numpy(), 16_000)
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out, pipeline(low[:, :16_000].repeat(2, 1).numpy(), 16_000))


@pytest.mark.parametrize("preset", PRESETS)
def test_any_chunk_batch_gives_the_same_bits(preset, low):
    short = ["target_rate=48000", "chunk={samples: 24576, overlap: 2048, context: 0.2, batch: %d}"]
    one, three = (
        load_pipeline(preset, discover(), [short[0], short[1] % batch])(low[:, :32_000], 16_000) for batch in (1, 3)
    )
    assert torch.equal(one, three)


def test_what_ships_is_small_and_says_what_it_is():
    models = [entry.component for entry in discover().of(Kind.MODEL)]
    files = [path for where, path in available(models) if where == "bundled"]
    assert {path.stem for path in files} == {"spectral-convnext", "waveform-unet", "spectral-unet"}
    assert all(path.stat().st_size < 10_000_000 for path in files)
    assert sum(path.stat().st_size for path in files) < 30_000_000
    for path in files:
        card = read_card(path)
        assert card.component == path.stem
        assert all([card.summary, card.training, card.data, card.licences, card.scores, card.limits])
