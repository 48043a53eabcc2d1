"""The detector `edge-net`, on files as people have them: its answers, its segments, its memory."""

import numpy as np
import pytest
import soundfile
import soxr
import torch
from conftest import ROOT
from torch import Tensor

from upscaler_bandwidth.edge_net import second_opinion
from upscaler_bandwidth.features import FLOOR_DB, CellFeatures, cell_samples
from upscaler_core import discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack

RATE = 48_000


@pytest.fixture(scope="module")
def detector():
    return discover().detector("edge-net")


def survey(detector, x: Tensor, rate: int = RATE, block: int = 65_536) -> BandwidthTrack:
    running = detector.survey(rate)
    for part in x.split(block, -1):
        running.add(part)
    return running.finish()


def material(seconds: float, seed: int = 0, rate: int = RATE) -> Tensor:
    """Bursts of falling noise over harmonics, up to the Nyquist frequency: `[1, time]`."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    white = rng.standard_normal(len(t))
    spectrum = np.fft.rfft(white)
    f = np.fft.rfftfreq(len(t), 1 / rate)
    falling = np.fft.irfft(spectrum / np.maximum(f, 200) ** 0.6, len(t))
    bursts = falling / falling.std() * np.exp(-6 * (t % 0.4)) * 0.1
    tones = sum(np.sin(2 * np.pi * 220 * k * t) / k**1.5 for k in range(1, 40)) * 0.03
    return torch.from_numpy((bursts + tones)[None].astype(np.float32))


def limited(x: Tensor, low_rate: int, rate: int = RATE) -> Tensor:
    """Down to a lower rate and up again; stored with 16 bits."""
    y = soxr.resample(soxr.resample(x[0].numpy(), rate, low_rate, "VHQ"), low_rate, rate, "VHQ")
    return torch.from_numpy(np.round(y * 32_768)[None] / 32_768).float()


@pytest.mark.parametrize("low_rate", [8_000, 16_000, 22_050])
def test_a_resampled_file_ends_where_the_resampler_cut_it(detector, low_rate):
    track = survey(detector, limited(material(8), low_rate))
    assert track.is_constant
    bandwidth = track.segments[0].bandwidth
    assert bandwidth.has_edge and bandwidth.cutoff_hz == pytest.approx(0.956 * low_rate / 2, rel=0.05)
    assert bandwidth.confidence > 0.6


def test_digital_silence_between_the_words_changes_nothing(detector):
    x = limited(material(8), 8_000)
    x[:, 3 * RATE : 4 * RATE] = 0
    for start in range(0, 8 * RATE, RATE // 2):
        x[:, start : start + RATE // 8] = 0
    assert survey(detector, x).lowest.cutoff_hz == pytest.approx(3_824, rel=0.07)


def test_a_quiet_recording_ends_where_a_loud_one_does(detector):
    x = limited(material(8) * 10**-1.5, 8_000)
    assert survey(detector, x).lowest.cutoff_hz == pytest.approx(3_824, rel=0.07)


def test_an_original_has_no_edge(detector):
    assert not survey(detector, material(8)).lowest.has_edge
    assert not survey(
        detector, 0.1 * torch.randn(2, 5 * RATE, generator=torch.Generator().manual_seed(0))
    ).lowest.has_edge


def test_who_is_not_sure_names_no_cause(detector):
    x, rate = soundfile.read(ROOT / "examples/audio/arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    (segment,) = survey(detector, torch.from_numpy(x.T), rate).segments
    found = segment.bandwidth
    assert found.confidence < 0.6
    assert (found.has_edge, found.cause, found.codec, found.kbps) == (False, "unknown", "", None)


@pytest.mark.parametrize("length", [0, 1, 1_000, 5_000, RATE // 2])
def test_silence_and_very_short_files_have_no_edge(detector, length):
    for x in (torch.zeros(1, length), torch.zeros(2, length)):
        track = survey(detector, x)
        assert track.is_constant and track.segments[0].bandwidth.cutoff_hz == RATE / 2


def test_a_caller_between_a_studio_s_words_is_a_segment(detector):
    studio, caller = material(24, seed=1), limited(material(24, seed=2), 8_000)
    change, back = int(8.3 * RATE), int(16.1 * RATE)
    x = torch.cat([studio[:, :change], caller[:, change:back], studio[:, back:]], -1)
    track = survey(detector, x)
    assert len(track.segments) == 3
    assert [s.bandwidth.has_edge for s in track.segments] == [False, True, False]
    assert track.segments[1].start == pytest.approx(change, abs=0.3 * RATE)
    assert track.segments[2].start == pytest.approx(back, abs=0.3 * RATE)


@pytest.mark.parametrize("block", [777, 100_000])
def test_the_track_does_not_depend_on_blocks(detector, block):
    x = torch.cat([material(6), limited(material(6), 8_000)], -1)
    assert survey(detector, x, block=block) == survey(detector, x, block=x.shape[-1])


def test_stereo_is_measured_on_the_sum_of_powers(detector):
    x = limited(material(6), 8_000)
    both = survey(detector, torch.cat([x, -x]))  # their sum is silence
    assert both.lowest.cutoff_hz == pytest.approx(3_824, rel=0.07)


def test_a_survey_keeps_no_more_of_a_long_file(detector):
    running = detector.survey(RATE)
    block = 0.1 * torch.randn(1, 10 * RATE, generator=torch.Generator().manual_seed(0))
    for _ in range(60):  # ten minutes
        running.add(block)
    kept = sum(len(votes.active) for votes, _ in running.pending)
    assert kept < 2_000 and len(running.segments) < 5


def test_cells_are_levels_of_a_full_scale_sine_s_scale():
    t = torch.arange(4 * RATE) / RATE
    features = CellFeatures(RATE)
    cells = features.add(torch.sin(2 * torch.pi * 4_058 * t)[None])
    band = int(24 * np.log2(4.0))
    assert float(cells[2, 2, band] + cells[2, 0, band]) == pytest.approx(-7, abs=3)  # spread over a band of ten bins
    assert float(CellFeatures(RATE).add(torch.zeros(1, 4 * RATE)).max()) <= max(FLOOR_DB, 0) + 1e-3
    assert cell_samples(RATE) / RATE == pytest.approx(0.171, abs=0.001)


def test_rules_refine_but_do_not_overrule():
    network = Bandwidth(4_000.0, slope=578.0, confidence=0.9, cause="resampled")
    near, far = Bandwidth(3_900.0, 40.0, 500.0), Bandwidth(9_000.0, 40.0, 500.0)
    assert (
        second_opinion(network, near, RATE).cutoff_hz == 3_900 and second_opinion(network, near, RATE).confidence == 0.9
    )
    assert second_opinion(network, far, RATE) == network
    none = Bandwidth(24_000.0)
    assert second_opinion(none, far, RATE) == none  # a false edge would harm an original
    assert second_opinion(none, Bandwidth(23_000.0, 40.0, 500.0), RATE).cutoff_hz == 23_000


def test_many_short_parts_give_segments_in_order(detector):
    parts = [material(1.9, seed=k) if k % 2 else limited(material(1.9, seed=k), 8_000) for k in range(12)]
    starts = [segment.start for segment in survey(detector, torch.cat(parts, -1)).segments]
    assert starts[0] == 0 and starts == sorted(set(starts))


def test_building_it_leaves_the_random_numbers_of_others_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    discover().detector("edge-net", checkpoint="none")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("rate", [1, 100, 2_000, 3_800, 8_000, 22_050, 96_000, 768_000])
def test_noise_of_any_rate_is_whole_and_surely_so(detector, rate):
    x = 0.1 * torch.randn(1, min(4 * rate, 1_000_000), generator=torch.Generator().manual_seed(0))
    track = survey(detector, x, rate)
    assert track.lowest.cutoff_hz > 0.88 * rate / 2 and track.lowest.confidence >= 0.5
