"""The bandwidth of signals whose content ends at a known frequency, and of signals without an edge."""

import math
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from upscaler_core.dsp import filters
from upscaler_core.dsp.bandwidth import Bandwidth
from upscaler_core.dsp.edge_rules import band_levels, find_bandwidth, measure_bandwidth

RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000)
EXAMPLES = Path(__file__).parents[3] / "examples" / "audio"


def noise(rate: int, seconds: float, db_per_octave: float = 0.0, seed: int = 0) -> Tensor:
    """Noise `[1, time]` of RMS 0.1 that falls by `db_per_octave` above 100 Hz."""
    white = torch.randn(1, int(rate * seconds), generator=torch.Generator().manual_seed(seed))
    spectrum = torch.fft.rfft(white)
    octaves = torch.log2(torch.linspace(0, rate / 2, spectrum.shape[-1]).clamp(min=100) / 100)
    x = torch.fft.irfft(spectrum * 10 ** (-db_per_octave * octaves / 20), white.shape[-1])
    return x / x.square().mean().sqrt() / 10


def music(rate: int, seconds: float = 4.0) -> Tensor:
    """Beats of falling noise over chords of harmonics."""
    t = torch.arange(int(rate * seconds)) / rate
    beats = torch.exp(-8 * (t % 0.5)) * noise(rate, seconds, 6)
    chord = sum(torch.sin(2 * math.pi * f * k * t) / k for f in (220.0, 277.2, 329.6) for k in range(1, 12))
    return beats + 0.03 * torch.as_tensor(chord)


def speech(rate: int, seconds: float = 4.0) -> Tensor:
    """Voiced and unvoiced syllables with pauses, over a room's quiet noise."""
    t = torch.arange(int(rate * seconds)) / rate
    pitch = 2 * math.pi * torch.cumsum(120 * (1 + 0.1 * torch.sin(2 * math.pi * 0.7 * t)), 0) / rate
    voiced = sum(torch.sin(k * pitch) / k**1.5 for k in range(1, 30)) * ((t % 0.6) < 0.25)
    hiss = noise(rate, seconds) * (((t % 0.6) > 0.25) & ((t % 0.6) < 0.4))
    return 0.1 * torch.as_tensor(voiced) + hiss + noise(rate, seconds, seed=1) / 3000


def flute(rate: int, seconds: float = 5.0) -> Tensor:
    """Vibrato, ten harmonics that fall, breath."""
    t = torch.arange(int(rate * seconds)) / rate
    note = 587.0 * 2 ** (torch.tensor([0, 4, 7, 12, 7])[t.long()] / 12)
    phase = 2 * math.pi * torch.cumsum((note * (1 + 0.006 * torch.sin(2 * math.pi * 5 * t))).double(), 0) / rate
    envelope = (torch.minimum(t % 1 / 0.08, (1 - t % 1) / 0.2)).clamp(max=1)
    tone = sum(envelope ** (1 + k / 5) * 10 ** (-k / 2.5) * torch.sin(k * phase) for k in range(1, 11))
    return (torch.as_tensor(tone) + 0.01 * envelope * noise(rate, seconds, 3)).float()


def brickwall(x: Tensor, rate: int, cutoff_hz: float) -> Tensor:
    """A linear-phase low-pass: the complement of the pipeline's high-pass."""
    half_length = filters.kaiser_half_length(100, 300 / rate)
    taps = filters.kaiser_lowpass(torch.arange(-half_length, half_length + 1), cutoff_hz / rate, half_length, 100)
    size = x.shape[-1] + len(taps) - 1
    y = torch.fft.irfft(torch.fft.rfft(x.double(), size) * torch.fft.rfft(taps, size), size)
    return y[:, half_length : half_length + x.shape[-1]].float()


def butterworth(x: Tensor, rate: int, cutoff_hz: float, order: int) -> Tensor:
    """A zero-phase low-pass of Butterworth magnitude, −3 dB at the cut-off."""
    spectrum = torch.fft.rfft(x.double())
    f = torch.linspace(0, rate / 2, spectrum.shape[-1], dtype=torch.float64)
    return torch.fft.irfft(spectrum / (1 + (f / cutoff_hz) ** (2 * order)).sqrt(), x.shape[-1]).float()


def to_16_bits(x: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    dither = torch.rand(x.shape, generator=generator) - torch.rand(x.shape, generator=generator)
    return (x * 32767 + dither).round().clamp(-32768, 32767) / 32768


def measure(x: Tensor, rate: int) -> Bandwidth:
    return measure_bandwidth(x.split(65_536, -1), rate)


@pytest.mark.parametrize("store", [lambda x: x, to_16_bits], ids=["float", "16-bit"])
@pytest.mark.parametrize("cutoff", [4000, 8000, 12000, 16000])
@pytest.mark.parametrize("make", [music, speech])
def test_brick_walls(make, cutoff, store):
    bandwidth = measure(store(brickwall(make(44_100), 44_100, cutoff)), 44_100)
    assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(cutoff, rel=0.03)
    assert bandwidth.drop_db > 20 and bandwidth.slope > 100


@pytest.mark.parametrize(("knee", "slope"), [(11_000, 55), (5500, 60)])
def test_a_fall_is_an_edge_if_all_frames_have_it(knee, slope):
    """Speech that falls by `slope` dB an octave above the knee; then the same with one consonant that does not fall."""
    x = speech(44_100)
    spectrum = torch.fft.rfft(x)
    octaves = torch.log2((torch.linspace(0, 22_050, spectrum.shape[-1]) / knee).clamp(min=1))
    dull = torch.fft.irfft(spectrum * 10 ** (-slope * octaves / 20))
    bandwidth = measure(to_16_bits(dull), 44_100)
    assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(knee * 2 ** (6 / slope), rel=0.05)
    with_consonant = torch.where((torch.arange(x.shape[-1]) - 100_000).abs() < 8000, x, dull)
    assert not measure(to_16_bits(with_consonant), 44_100).has_edge


@pytest.mark.parametrize("order", [12, 16])
@pytest.mark.parametrize("cutoff", [4000, 8000, 12000])
def test_butterworths(cutoff, order):
    bandwidth = measure(to_16_bits(butterworth(speech(48_000), 48_000, cutoff, order)), 48_000)
    assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(cutoff * 3 ** (1 / 2 / order), rel=0.06)
    assert bandwidth.slope == pytest.approx(6.02 * order, rel=0.35)


@pytest.mark.parametrize(("order", "begin"), [(3, 0.536), (12, 0.856), (48, 0.962)])
def test_a_soft_edge_begins_far_below_its_cutoff(order, begin):
    edge = Bandwidth(8_000.0, 60.0, 20 * math.log10(2) * order)
    assert edge.begin_hz == pytest.approx(8_000 * begin, rel=2e-3)
    assert 10 * math.log10(1 + 3 * (edge.begin_hz / 8_000) ** (2 * order)) == pytest.approx(0.3)
    assert Bandwidth(8_000.0).begin_hz == Bandwidth(8_000.0, 60.0, 578.0).begin_hz == 8_000


@pytest.mark.parametrize("rate", RATES)
def test_every_rate(rate):
    assert measure(noise(rate, 2, 6), rate) == Bandwidth(rate / 2)
    bandwidth = measure(brickwall(noise(rate, 2, 6), rate, 0.35 * rate), rate)
    assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(0.35 * rate, rel=0.03)


T = torch.arange(3 * 44_100) / 44_100
UNLIMITED = {
    "flute": lambda: flute(44_100),
    "tone": lambda: 0.5 * torch.sin(2 * math.pi * 1000 * T)[None],
    "high tone": lambda: 0.5 * torch.sin(2 * math.pi * 5000 * T)[None],
    "music": lambda: music(44_100),
    "speech": lambda: speech(44_100),
    "loud noise": lambda: noise(44_100, 3),
    "quiet noise": lambda: noise(44_100, 3) / 100,
    "pink noise": lambda: noise(44_100, 3, 3),
    "brown noise": lambda: noise(44_100, 3, 6),
    "silence": lambda: torch.zeros(2, 44_100),
    "click": lambda: torch.nn.functional.one_hot(torch.tensor([20_000]), 44_100).float(),
    "moment": lambda: noise(44_100, 0.2),
    "instant": lambda: noise(44_100, 0.01),
    "butterworth 1": lambda: butterworth(noise(44_100, 3), 44_100, 2000, 1),
}


@pytest.mark.parametrize("store", [lambda x: x, to_16_bits], ids=["float", "16-bit"])
@pytest.mark.parametrize("name", UNLIMITED)
def test_not_band_limited(name, store):
    assert measure(store(UNLIMITED[name]()), 44_100) == Bandwidth(22_050.0)


def test_a_gap_is_no_edge():
    """A loud narrow band above a gap, like a saxophone's harmonics: there is as much above the gap as below it."""
    x = noise(44_100, 4)
    spectrum = torch.fft.rfft(x)
    f = torch.linspace(0, 22_050, spectrum.shape[-1])
    gain = 0.03 + 0.97 * ((f > 2000) & (f < 2250)) - 0.025 * ((f > 1100) & (f < 2000))
    paused = torch.fft.irfft(spectrum * gain) * (torch.arange(x.shape[-1]) % 44_100 > 8000)
    assert measure(to_16_bits(paused), 44_100) == Bandwidth(22_050.0)


def test_nothing_at_all():
    assert measure_bandwidth([], 48_000) == Bandwidth(24_000.0)
    assert measure_bandwidth([torch.zeros(2, 0)], 48_000) == Bandwidth(24_000.0)


def test_short_and_quiet():
    x = brickwall(noise(44_100, 2), 44_100, 8000)
    assert measure(x[:, :8820], 44_100).cutoff_hz == pytest.approx(8000, rel=0.05)
    assert measure(to_16_bits(x / 100), 44_100).cutoff_hz == pytest.approx(8000, rel=0.03)


def test_one_full_channel_is_enough():
    full, dull = noise(44_100, 3), brickwall(noise(44_100, 3), 44_100, 8000)
    assert not measure(torch.cat([dull, full]), 44_100).has_edge
    assert measure(torch.cat([dull, dull]), 44_100).has_edge


def test_content_that_comes_back():
    """A codec that codes the highest band only in some frames: the content ends where those frames end."""
    low, high = brickwall(music(44_100), 44_100, 12_000), brickwall(music(44_100), 44_100, 16_000)
    gain = (0.5 - 2 * torch.cos(2 * math.pi * torch.arange(low.shape[-1]) / 22_050)).clamp(0, 1)  # faded, not cut
    assert measure(low + gain * (high - low), 44_100).cutoff_hz == pytest.approx(16_000, rel=0.03)


@pytest.mark.parametrize("size", [1, 777, 100_000])
def test_blocks_do_not_matter(size):
    x = to_16_bits(brickwall(torch.cat([music(16_000, 2), speech(16_000, 2)], -1), 16_000, 5000))[
        :, : 20_000 if size == 1 else None
    ]
    assert torch.equal(band_levels(x.split(size, -1), 16_000), band_levels([x], 16_000))


def test_long_stream():
    """Frames are dropped as the stream grows. The result stays right, blocks do not matter, and memory is bounded."""
    x = brickwall(noise(8000, 10, 6), 8000, 3000)
    long = band_levels((x for _ in range(40)), 8000)
    cut = band_levels((part for _ in range(40) for part in x.split(3001, -1)), 8000)
    assert torch.equal(cut, long) and len(long) <= 1024
    assert find_bandwidth(long, 8000).cutoff_hz == pytest.approx(3000, rel=0.03)


@pytest.mark.parametrize("path", sorted([*EXAMPLES.glob("*.flac"), *EXAMPLES.glob("*.ogg")]), ids=lambda p: p.stem)
def test_real_recordings(path):
    data, rate = soundfile.read(path, dtype="float32", always_2d=True, frames=480_000)
    x = torch.from_numpy(data.T.copy())
    for cutoff in (4000, 6000):
        bandwidth = measure(to_16_bits(brickwall(x, rate, cutoff)), rate)
        assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(cutoff, rel=0.1)
