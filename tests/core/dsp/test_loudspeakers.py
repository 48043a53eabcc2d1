"""The loudness of each loudspeaker, by ITU-R BS.1770."""

from __future__ import annotations

import math

import pytest
import torch

from upscaler_core.dsp import SPEAKERS, default_layout, measure_levels, same_layout

RATE = 48_000


def loudness(channels: int, channel: int, layout: tuple[str, ...] = ()) -> float | None:
    x = torch.zeros(channels, RATE)
    x[channel] = 0.1 * torch.sin(2 * math.pi * 997 * torch.arange(RATE) / RATE)
    return measure_levels([x], RATE, layout=layout).loudness


FRONT = -23.0  # LUFS of −20 dBFS, a sine in one front channel


@pytest.mark.parametrize(
    ("layout", "gains"),
    [
        ("FL FR BL BR", [0, 0, 1.5, 1.5]),
        ("FL FR SL SR", [0, 0, 1.5, 1.5]),
        ("FL FR FC BC", [0, 0, 0, 0]),
        ("FL FR FC LFE", [0, 0, 0, None]),
        ("FL FR FC LFE SL SR", [0, 0, 0, None, 1.5, 1.5]),
        ("FL FR FC LFE BL BR", [0, 0, 0, None, 1.5, 1.5]),
        ("FL FR FC LFE BL BR SL SR", [0, 0, 0, None, 0, 0, 1.5, 1.5]),
        ("FL FR FC LFE BL BR FLC FRC", [0, 0, 0, None, 1.5, 1.5, 0, 0]),
    ],
)
def test_each_loudspeaker_has_its_weight(layout: str, gains: list[float | None]) -> None:
    names = tuple(layout.split())
    for channel, gain in enumerate(gains):
        measured = loudness(len(names), channel, names)
        assert measured is None if gain is None else measured == pytest.approx(FRONT + gain, abs=0.02)


@pytest.mark.parametrize(("channels", "gain"), [(4, 1.5), (5, 1.5), (6, 1.5), (7, 1.5), (8, 1.5), (9, 0)])
def test_without_names_a_channel_count_means_the_usual_ones(channels: int, gain: float) -> None:
    assert loudness(channels, channels - 1) == pytest.approx(FRONT + gain, abs=0.02)


def test_layouts() -> None:
    assert all(set(default_layout(channels)) <= set(SPEAKERS) and len(default_layout(channels)) == channels
               for channels in range(1, 9))  # fmt: skip
    assert default_layout(9) == ()
    assert same_layout(["FL", "FR", "SL", "SR"], default_layout(4)) and not same_layout(
        ["FL", "FR", "LFE"], ["FL", "FR", "FC"]
    )
