"""Degradations: what each does to a signal, in dB and Hz; aligned to the sample, and drawn from the generator alone."""

import shutil
from statistics import median

import pytest
import scipy.signal
import soundfile as sf
import torch

from upscaler_core import MissingDependency, discover
from upscaler_core.errors import OptionError
from upscaler_core.testing.signals import decibels, noise, tone
from upscaler_degrade.low_pass import LowPass
from upscaler_degrade.options import BandLimitOptions

REGISTRY = discover()
RATE = 48_000
KINDS = ("brickwall", "windowed-sinc", "butterworth", "chebyshev-1", "chebyshev-2", "elliptic", "bessel")
CODECS = ("mp3", "vorbis", "opus", *(["aac"] if shutil.which("ffmpeg") else []))
ALIGNED = ("band-limit", "quantization", *CODECS, "noise-floor", "level")


def build(name, **options):
    return REGISTRY.degradation(name, **options)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def speech(audio):
    x, rate = sf.read(audio / "speech_kerstin_de_cc0_48k.flac", dtype="float32", always_2d=True)
    assert rate == RATE
    return torch.from_numpy(x.T[:, :RATE].copy())


@pytest.fixture(scope="module")
def beat(audio):
    """Two channels of music, 44.1 kHz."""
    x, rate = sf.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    assert rate == 44_100
    return torch.from_numpy(x.T[:, :rate].copy())


def lag(x, y):
    """By how many samples `y` is late, from the peak of the cross-correlation of the first channels."""
    size = 2 * x.shape[-1]
    product = torch.fft.irfft(torch.fft.rfft(y[0], size) * torch.fft.rfft(x[0], size).conj(), size)
    peak = int(product.argmax())
    return peak if peak < size // 2 else peak - size


def level_above(x, rate, hz):
    """Energy above `hz`, dB under the whole."""
    power = torch.fft.rfft(x.double()).abs().square().sum(0)
    f = torch.fft.rfftfreq(x.shape[-1], 1 / rate)
    return float(10 * torch.log10(power[f > hz].sum() / power.sum()))


# ------------------------------------------------------------------------------------------------ band-limit

DESIGNS = [
    (kind, order, design)
    for kind, orders, design in (
        ("butterworth", (2, 5, 12), lambda n: scipy.signal.butter(n, 7_000, fs=RATE, output="sos")),
        ("chebyshev-1", (2, 5, 12), lambda n: scipy.signal.cheby1(n, 1.5, 7_000, fs=RATE, output="sos")),
        ("chebyshev-2", (2, 5, 12), lambda n: scipy.signal.cheby2(n, 50, 9_000, fs=RATE, output="sos")),
        ("elliptic", (2, 4, 8), lambda n: scipy.signal.ellip(n, 1.5, 50, 7_000, fs=RATE, output="sos")),
        ("bessel", (2, 5, 12), lambda n: scipy.signal.bessel(n, 7_000, fs=RATE, output="sos")),
    )
    for order in orders
]


@pytest.mark.parametrize(("kind", "order", "design"), DESIGNS, ids=lambda value: str(value)[:12])
def test_analogue_kinds_are_scipys(kind, order, design):
    sos = design(order)
    cutoff = scipy.optimize.brentq(lambda f: abs(scipy.signal.sosfreqz(sos, [f], fs=RATE)[1][0]) - 0.5, 1_000, 12_000)
    f = torch.arange(0, 23_000, 50, dtype=torch.float64)
    theirs = torch.from_numpy(abs(scipy.signal.sosfreqz(sos, f.numpy(), fs=RATE)[1]))
    ours = LowPass(kind, cutoff, order, ripple_db=1.5, attenuation_db=50).gain(f, RATE)
    heard = theirs > 1e-5
    assert float((20 * torch.log10(ours / theirs))[heard].abs().max()) < 0.001
    assert float(ours[~heard].max() if bool((~heard).any()) else 0) < 2e-5


def test_the_windowed_sinc_is_scipys():
    sigma = 0.1 * 8_000 / 4.65
    window = ("gaussian", RATE / (2 * torch.pi * sigma))  # the Gaussian whose spectrum has this width
    taps = scipy.signal.firwin(2_001, 8_000, window=window, fs=RATE)
    f = torch.arange(0, 24_000, 20, dtype=torch.float64)
    theirs = torch.from_numpy(abs(scipy.signal.freqz(taps, worN=f.numpy(), fs=RATE)[1]))
    ours = LowPass("windowed-sinc", 8_000.0, transition=0.1).gain(f, RATE)
    assert float((ours - theirs).abs().max()) < 1e-4
    assert ours[f == 7_600].item() == pytest.approx(0.99, abs=1e-3)
    assert ours[f == 8_400].item() == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize("rate", [RATE, 44_100, 96_000])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_cutoff_is_the_6_db_point(kind, rate):
    out = build("band-limit", kinds=[kind], min_hz=8_000, max_hz=8_000)(tone(8_000, rate, rate)[None], rate, seeded())
    middle = slice(rate // 4, 3 * rate // 4)
    assert out.bandwidth_hz == pytest.approx(8_000)
    assert decibels(out.audio[:, middle], tone(8_000, rate, rate)[None, middle]) == pytest.approx(-6.02, abs=0.02)


def test_the_brickwall_is_one():
    limit = build("band-limit", kinds=["brickwall"], min_hz=8_000, max_hz=8_000)
    for frequency, expected in ((7_950, (-0.01, 0.01)), (8_050, (-400, -45))):
        x = tone(frequency, RATE, RATE)[None]
        out = limit(x, RATE, seeded()).audio
        assert expected[0] < decibels(out[:, 12_000:36_000], x[:, 12_000:36_000]) < expected[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_zero_phase(kind):
    x = torch.zeros(1, 4_801)
    x[0, 2_400] = 1
    out = build("band-limit", kinds=[kind])(x, RATE, seeded(3)).audio[0]
    assert int(out.argmax()) == 2_400
    assert decibels(out - out.flip(0), out) < -100


def test_a_cutoff_beyond_nyquist_leaves_the_audio(speech):
    out = build("band-limit", min_hz=24_000, max_hz=30_000)(speech, RATE, seeded())
    assert torch.equal(out.audio, speech)
    assert out.bandwidth_hz is None


def test_the_draws_cover_the_range():
    drawn = [build("band-limit").draw(seeded(seed)) for seed in range(300)]
    assert {r.kind for r in drawn} == set(KINDS)
    assert all(2_000 <= r.cutoff_hz <= 16_000 and 2 <= r.order <= 12 for r in drawn)
    assert median(r.cutoff_hz for r in drawn) == pytest.approx(5_657, rel=0.15)  # the geometric mean of the ends
    assert {r.order for r in drawn if r.kind == "elliptic"} == {2, 4, 8}


def test_the_end_does_not_wrap_around_to_the_beginning():
    x = torch.zeros(1, RATE)
    x[0, -1] = 1
    out = build("band-limit", kinds=["butterworth"])(x, RATE, seeded()).audio
    assert float(out[0, : RATE // 2].abs().max()) < 1e-6


# ---------------------------------------------------------------------------------------------- quantization


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(("chance", "dither_db"), [(0, 0), (1, 4.77)])
def test_quantization_keeps_the_textbooks_distance(bits, chance, dither_db):
    x = tone(997, RATE, RATE, amplitude=1 - 2 / 2**bits, dtype=torch.float64)[None]
    out = build("quantization", min_bits=bits, max_bits=bits, dither_chance=chance)(x, RATE, seeded())
    assert out.drawn == {"bits": bits, "dither": "tpdf" if chance else "none"}
    assert -decibels(out.audio - x, x) == pytest.approx(6.02 * bits + 1.76 - dither_db, abs=0.3)
    assert len(out.audio.unique()) <= 2**bits


def test_dither_unties_the_error_from_the_signal():
    x = tone(100, RATE, RATE, amplitude=0.002)[None]  # half a step of 8 bits: rounding alone leaves nothing
    rounded, dithered = (
        build("quantization", max_bits=8, dither_chance=chance)(x, RATE, seeded()).audio for chance in (0, 1)
    )
    assert not rounded.any()
    assert float((dithered * x).sum() / x.square().sum()) == pytest.approx(1, abs=0.1)


# ---------------------------------------------------------------------------------------------------- codecs


@pytest.mark.parametrize("name", ALIGNED)
def test_real_audio_stays_aligned(name, speech, beat):
    for x, rate in ((beat, 44_100), (speech[:, :37_777], RATE)):
        out = build(name)(x, rate, seeded(1)).audio
        assert out.shape == x.shape
        assert lag(x, out) == 0


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_a_rate_that_the_coder_lacks_is_passed_through_another(name, rate):
    x = build("band-limit", kinds=["windowed-sinc"], min_hz=5_000, max_hz=5_000)(noise((1, rate)), rate, seeded()).audio
    out = build(name)(x, rate, seeded()).audio
    assert out.shape == x.shape
    assert lag(x, out) == 0
    assert decibels(out - x, x) < -6


@pytest.mark.parametrize("name", CODECS)
def test_the_bandwidth_is_where_a_coded_sweep_ends(name):
    out = build(name)(noise((2, RATE)), RATE, seeded(5))
    assert out.bandwidth_hz is not None
    sweep = scipy.signal.chirp(torch.arange(RATE) / RATE, 500, 1, 23_500)
    x = 0.1 * torch.from_numpy(sweep).float().expand(2, -1)
    coded = build(name)(x, RATE, seeded(5)).audio
    assert level_above(coded, RATE, out.bandwidth_hz + 1_000) < -25
    below = out.bandwidth_hz - 1_000
    assert level_above(coded, RATE, below - 1_000) - level_above(coded, RATE, below) > 0.1


def test_mp3_at_64_kbps_cuts_stereo_at_11_khz(beat):
    out = build("mp3", max_kbps=64, vbr_chance=0)(beat, 44_100, seeded())
    assert out.drawn == {"kbps": 64}
    assert out.bandwidth_hz == pytest.approx(11_100, abs=200)
    assert level_above(out.audio, 44_100, 12_000) < level_above(beat, 44_100, 12_000) - 10


def test_more_bits_are_closer(speech):
    def error(name, **options):
        return decibels(build(name, **options)(speech, RATE, seeded()).audio - speech, speech)

    assert error("mp3", min_kbps=320, max_kbps=320, vbr_chance=0) < error("mp3", max_kbps=64, vbr_chance=0) - 6
    assert error("mp3", vbr_chance=1, min_v=0, max_v=0) < error("mp3", vbr_chance=1, min_v=9) - 6
    assert error("vorbis", min_quality=9, max_quality=9) < error("vorbis", max_quality=0) - 6
    assert error("opus", min_kbps=192, max_kbps=192) < error("opus", max_kbps=64) - 6


def test_long_vorbis_and_five_channels_survive():
    assert build("vorbis")(noise((1, 40 * RATE)), RATE, seeded()).audio.shape == (1, 40 * RATE)
    assert build("mp3")(noise((5, RATE // 2)), RATE, seeded()).audio.shape == (5, RATE // 2)


def test_aac_without_ffmpeg_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependency, match="apt install ffmpeg"):
        build("aac")


# ---------------------------------------------------------------------------------------------------- others


@pytest.mark.parametrize("kind", ["white", "pink", "hiss", "hum"])
def test_the_noise_has_the_drawn_level(kind, speech):
    out = build("noise-floor", kinds=[kind])(speech, RATE, seeded())
    assert -90 <= out.drawn["level_db"] <= -50
    added = (out.audio - speech).double()
    assert float(10 * torch.log10(added.square().mean())) == pytest.approx(out.drawn["level_db"], abs=0.1)


@pytest.mark.parametrize(("kind", "octave_db"), [("white", 3.01), ("pink", 0.0), ("hiss", 7.5)])
def test_the_noise_has_its_colour(kind, octave_db):
    out = build("noise-floor", kinds=[kind])(torch.zeros(1, 4 * RATE), RATE, seeded()).audio
    power = torch.fft.rfft(out[0]).abs().square()
    f = torch.fft.rfftfreq(4 * RATE, 1 / RATE)
    lower, upper = (power[(f >= low) & (f < 2 * low)].sum() for low in (2_000, 4_000))
    assert float(10 * torch.log10(upper / lower)) == pytest.approx(octave_db, abs=0.5)


def test_hum_is_lines_at_the_mains_frequency():
    out = build("noise-floor", kinds=["hum"])(torch.zeros(2, RATE), RATE, seeded()).audio
    power = torch.fft.rfft(out[0].double()).abs().square()
    lines = max(power[mains::mains].sum() / power.sum() for mains in (50, 60))
    assert float(lines) > 0.9999
    assert torch.equal(out[0], out[1])


def test_the_level_is_a_gain_and_clips_on_request(speech):
    out = build("level", min_db=20, max_db=20)(speech, RATE, seeded()).audio
    assert decibels(out, speech) == pytest.approx(20, abs=1e-3)
    assert float(out.abs().max()) > 1
    assert torch.equal(build("level", min_db=20, max_db=20, clip=True)(speech, RATE, seeded()).audio, out.clamp(-1, 1))


def test_remix_changes_stereo_and_leaves_mono_alone(beat, speech):
    def remixed(x, *changes, **options):
        return build("remix", changes=changes, **options)(x, 44_100, seeded()).audio

    mid, side = beat.mean(0), (beat[0] - beat[1]) / 2
    assert torch.equal(remixed(beat, "swap"), beat[[1, 0]])
    assert torch.equal(remixed(beat, "polarity"), -beat)
    assert torch.equal(remixed(beat, "mono"), torch.stack((mid, mid)))
    wide = remixed(beat, "width", min_side_db=3, max_side_db=3)
    assert decibels((wide[0] - wide[1]) / 2, side) == pytest.approx(3, abs=1e-3)
    assert decibels(wide.mean(0) - mid, mid) < -120
    assert torch.equal(remixed(speech, "polarity", "mono"), speech)


def test_a_range_is_written_from_its_lower_end():
    assert BandLimitOptions(min_hz=8_000, max_hz=12_000).min_hz == 8_000  # the white paper's
    with pytest.raises(OptionError, match=r"min_hz \(9000\) must not exceed max_hz \(8000\)"):
        build("band-limit", min_hz=9_000, max_hz=8_000)
