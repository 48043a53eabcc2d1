"""The responses of the low-pass filters, compared with those of scipy."""

import pytest
import scipy.signal
import torch

from upscaler_degrade.low_pass import LowPass

RATE = 48_000
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
    audible = theirs > 1e-5
    assert float((20 * torch.log10(ours / theirs))[audible].abs().max()) < 0.001
    assert float(ours[~audible].max() if bool((~audible).any()) else 0) < 2e-5


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
