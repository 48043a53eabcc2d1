"""`spectral-convnext`: contract, phases that fit, an objective that is the log-spectral distance above the cut-off."""

import math

import pytest
import torch

from upscaler_convnext.translated_phases import add_phases
from upscaler_core import Conditions, Estimate, Pipeline, StftConfig, discover, stft
from upscaler_core.pipeline.spec import Chunk
from upscaler_core.plugins import Trainable
from upscaler_core.testing import contract_failures, signals
from upscaler_core.testing.signals import decibels

STFT = StftConfig(2048, 512)
SMALL = {"checkpoint": "none", "precision": "float32", "channels": 32, "blocks": 2}


def conditions(cutoff=8_000.0, bandwidth=None):
    ends = None if bandwidth is None else torch.tensor([bandwidth])
    return Conditions(torch.tensor([cutoff]), torch.zeros(1, dtype=torch.int64), 48_000, bandwidth_hz=ends)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_contract(precision):
    (entry,) = (e for e in discover().entries if e.component.name == "spectral-convnext")
    assert contract_failures(discover(), entry, precision=precision, channels=32, blocks=2) == []


def test_below_the_cutoff_the_source_is_unchanged():
    x = signals.band_limited(48_000, 7_900)[None, :, : 24 * 2048]
    with torch.no_grad():
        out = discover().model("spectral-convnext", **SMALL)(x, conditions()).waveform
    below, above = (stft(y, STFT)[:, :, :330, 4:-4] for y in (out - x, x))
    assert decibels(below.abs(), above.abs()) < -50
    assert stft(out, STFT)[:, :, 360:, 4:-4].abs().mean() > 100 * stft(x, STFT)[:, :, 360:, 4:-4].abs().mean()


def test_iterations_bring_the_magnitudes_closer_to_the_prediction():
    low = signals.band_limited(48_000, 8_000)[None, :, : 24 * 2048]

    @torch.no_grad()
    def error(iterations):
        model = discover().model("spectral-convnext", iterations=iterations, **SMALL)
        model.train()
        predicted = model(low, conditions()).log_magnitude
        actual = stft(model.eval()(low, conditions()).waveform, STFT).abs().clamp(min=1e-4).log()
        return float((predicted - actual)[:, :, 350:-1, 8:-8].std())

    assert error(4) < 0.75 * error(0)


@pytest.mark.slow
def test_emphasis_raises_bursts_and_nothing_else():
    low = signals.band_limited(48_000, 8_000, 4.0)[None, :, : 370 * 512]
    loudness = torch.full((370,), 0.01)
    loudness[180:190] = 0.1
    low = low * loudness.repeat_interleave(512)

    @torch.no_grad()
    def level(emphasis):
        model = discover().model("spectral-convnext", emphasis=emphasis, **SMALL)
        added = stft(model(low, conditions()).waveform, STFT)[0, 0, 360:].abs().square().mean(0)
        return 10 * torch.log10(added)

    raised = level(0.1) - level(0.0)
    assert raised[182:188].mean() == pytest.approx(2, abs=0.3)  # a tenth of 20 dB
    assert raised[20:170].abs().mean() < 0.1
    assert (level(1.0) - level(0.0)).max() < 3.5


def test_the_slope_of_a_soft_lowpass_keeps_its_phases():
    full = signals.noise((1, 1, 96 * 512))
    spectrum = torch.fft.rfft(full)
    hz = torch.linspace(0, 24_000, spectrum.shape[-1])
    soft = torch.fft.irfft(spectrum / (1 + 3 * (hz / 8_000) ** 12).sqrt())
    target = stft(full, STFT).abs().log()
    restored = stft(add_phases(target, soft, STFT, torch.tensor([6_000.0]), 48_000, 8), STFT)
    slope = slice(260, 380)  # 6 to 9 kHz: 1 to 10 dB too little
    original, softened = (stft(x, STFT)[..., slope, 4:-4] for x in (full, soft))
    assert decibels((softened - original).abs(), original.abs()) > -10
    assert decibels((restored[..., slope, 4:-4] - original).abs(), original.abs()) < -20


@torch.no_grad()
def test_a_batch_is_its_items():
    x = signals.noise((3, 1, 16 * 2048))
    model = discover().model("spectral-convnext", **SMALL)
    cutoffs = torch.tensor([4_000.0, 8_000.0, 12_000.0])
    together = model(x, Conditions(cutoffs, torch.zeros(3, dtype=torch.int64), 48_000)).waveform
    alone = model(x[1:2], conditions(8_000.0)).waveform
    assert decibels(together[1:2] - alone, alone) < -90


def test_the_objective_is_the_log_spectral_distance_above_the_cutoff():
    model = discover().model("spectral-convnext", **SMALL).train()
    assert isinstance(model, Trainable)
    target = signals.noise((1, 1, 16 * 2048))
    truth = stft(target, STFT).abs().log()
    for gain_db, bandwidth, expected in ((0, 24_000.0, 0), (20, 24_000.0, 2), (20, None, 2)):
        louder = truth + gain_db / 20 * math.log(10)
        losses = model.objective(Estimate(log_magnitude=louder, grid=STFT), target, conditions(bandwidth=bandwidth))
        assert float(losses["distance"]) == pytest.approx(expected, abs=2e-3)
    wrong_above = truth.clone()
    wrong_above[:, :, 12_000 * 2048 // 48_000 + 1 :] += 3
    losses = model.objective(Estimate(log_magnitude=wrong_above, grid=STFT), target, conditions(bandwidth=12_000.0))
    assert float(losses["distance"]) == pytest.approx(0, abs=2e-3)


@pytest.mark.slow
def test_it_learns():
    """A few steps bring it nearer to a signal whose upper band differs from the guess."""
    model = discover().model("spectral-convnext", **SMALL).train()
    target = signals.band_limited(48_000, 20_000)[None, :, : 16 * 2048]
    low = signals.band_limited(48_000, 8_000)[None, :, : 16 * 2048]
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    condition = conditions(bandwidth=19_000.0)
    distances = []
    for _ in range(12):
        (loss,) = model.objective(model(low, condition), target, condition).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        distances.append(float(loss.detach()))
    assert distances[-1] < 0.8 * distances[0]


@pytest.mark.slow
def test_streamed_is_one_shot_and_dual_mono_is_kept():
    up = discover()
    pipeline = Pipeline(
        up.resampler("poly-sinc-hq", dsp_quality="fast"),
        48_000,
        {"restore": up.model("spectral-convnext", **SMALL)},
        chunk=Chunk(samples=48_640, overlap=4_864, context=0.2),
        cutoff_hz=7_600.0,
    )
    x = signals.band_limited(16_000, 7_600, 3.0).repeat(2, 1)
    one_shot = pipeline(x, 16_000)
    assert torch.equal(one_shot[0], one_shot[1])
    assert torch.equal(one_shot, torch.cat(list(pipeline.stream(x.split(1_234, -1), 16_000)), -1))
