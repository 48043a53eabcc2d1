"""Griffin-Lim: fixed bins stay, free phases fit the magnitude, and there is a gradient where there is no phase."""

import torch

from upscaler_core import StftConfig, istft, stft
from upscaler_core.dsp import fading_phasor, griffinlim, unit_phasor
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels

CONFIG = StftConfig(512, 128)
SAMPLES = 16_384


def test_without_iterations_it_is_the_inverse_stft():
    spectrum = stft(signals.noise((2, 1, SAMPLES)), CONFIG)
    out = griffinlim(spectrum.abs(), unit_phasor(spectrum), torch.tensor(True), CONFIG, SAMPLES, iterations=0)
    expected = istft(spectrum, CONFIG, SAMPLES)
    assert decibels(out - expected, expected) < -100


def test_without_free_bins_iterations_change_nothing():
    spectrum = stft(signals.noise((1, 1, SAMPLES)), CONFIG)
    first, last = (
        griffinlim(torch.ones(()), spectrum, torch.tensor(False), CONFIG, SAMPLES, iterations=n) for n in (0, 3)
    )
    assert torch.equal(first, last)


def test_fixed_bins_help_to_find_the_phases_of_the_others():
    """The spectrum is consistent already, but for the phases of a few bins."""
    x = signals.noise((1, 1, SAMPLES))
    spectrum = stft(x, CONFIG)
    free = torch.zeros(CONFIG.n_fft // 2 + 1, 1, dtype=torch.bool)
    free[100::4] = True
    phasor = torch.where(free, 1, unit_phasor(spectrum))
    errors = [
        decibels(griffinlim(spectrum.abs(), phasor, free, CONFIG, SAMPLES, iterations=n, momentum=0.9) - x, x)
        for n in (0, 8, 32)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < -20


def test_the_fading_phasor_has_a_finite_gradient_at_silence():
    x = torch.zeros(1, 1, SAMPLES, requires_grad=True)
    fading_phasor(stft(x, CONFIG)).abs().square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
