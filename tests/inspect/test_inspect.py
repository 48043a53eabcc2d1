"""`upscaler inspect` as a user runs it: real files and processes, the documented JSON, pictures that can be opened."""

import json

import numpy as np
import pytest
import soundfile as sf
import soxr
import torch
from conftest import AUDIO
from scipy import signal

from upscaler_core.dsp import Bandwidth
from upscaler_core.dsp.spectrogram import MAX_COLUMNS, stream_spectrogram
from upscaler_inspect.inspection import source_rate

KEYS = {
    "file", "status", "damage", "format", "rate_hz", "channels", "frames", "seconds", "bits", "floating", "bits_used",
    "peak_dbfs", "true_peak_dbtp", "loudness_lufs", "full_scale_samples", "clipped_runs", "dc", "cutoff_hz", "edge",
    "edge_drop_db", "edge_slope_db_per_octave", "lossy", "upsampled_from_hz", "looks", "advice",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One recording four times: as it is, low-passed at 8 kHz, upsampled to 96 kHz, coded; and a text."""
    folder = tmp_path_factory.mktemp("inspect")
    x, rate = sf.read(AUDIO / "void_sensor_30s_streamcopy.ogg", frames=4 * 44_100)
    x = np.clip(x, -1, 1 - 2**-15)
    sf.write(folder / "full.flac", x, rate)
    taps = signal.firwin(511, 8_000, fs=rate)
    dull = np.clip(signal.oaconvolve(0.5 * x, taps[:, None], mode="same", axes=0) + 0.01, -1, 1)
    sf.write(folder / "dull [1].wav", dull, rate, subtype="PCM_24")
    sf.write(folder / "hires.wav", soxr.resample(0.5 * x, rate, 96_000, quality="VHQ"), 96_000, "PCM_24")
    sf.write(folder / "coded.mp3", 0.5 * x, rate, bitrate_mode="CONSTANT", compression_level=0.65)
    (folder / "bad.wav").write_text("no audio at all")
    return folder


@pytest.mark.slow
def test_the_json_says_it_all_and_a_bad_file_fails_alone(upscaler, folder):
    done = upscaler("inspect", folder / "*.*", "--json")
    assert done.returncode == 1 and "bad.wav cannot be read" in done.stderr
    bad, coded, dull, full, hires = json.loads(done.stdout)
    assert set(bad) == {"file", "status", "message", "exit_code"} and bad["exit_code"] == 4
    for record in (coded, dull, full, hires):
        assert set(record) == KEYS and record["status"] == "ok"

    assert not full["edge"] and full["cutoff_hz"] == 22_050 and full["advice"] == "full band: nothing to add"
    assert full["full_scale_samples"] > 0 and full["bits_used"] == 16 and full["edge_drop_db"] is None

    assert dull["edge"] and dull["cutoff_hz"] == pytest.approx(8_000, rel=0.03)
    assert dull["advice"] == f"content ends at {dull['cutoff_hz'] / 1000:.1f} kHz: " + (
        f"{dull['cutoff_hz'] / 1000:.1f} to 24 kHz can be restored"
    )
    assert dull["dc"] == pytest.approx(0.01, abs=0.002) and dull["clipped_runs"] == 0

    assert hires["upsampled_from_hz"] == 44_100 and hires["looks"] == "upsampled from 44.1 kHz" and not hires["lossy"]
    assert coded["lossy"] and coded["looks"] == "cut off as by a lossy codec" and coded["bits"] is None
    assert hires["loudness_lufs"] == pytest.approx(full["loudness_lufs"] - 6.02, abs=0.3)


@pytest.mark.slow
def test_what_people_read(upscaler, folder):
    done = upscaler("inspect", folder / "dull [1].wav", folder / "full.flac")
    assert done.returncode == 0, done.stderr
    assert "dull [1].wav" in done.stdout and "44.1 kHz, stereo, 4.0 s" in done.stdout
    assert "LUFS" in done.stdout and "dB/octave" in done.stdout and "DC offset" in done.stdout
    assert "can be restored" in done.stdout and "full band: nothing to add" in done.stdout


@pytest.mark.slow
def test_pictures(upscaler, folder):
    assert upscaler("inspect", folder / "dull [1].wav", "--png", "one").returncode == 0
    both = upscaler("inspect", folder / "dull [1].wav", folder / "hires.wav", "--png", "pictures", "--json")
    assert both.returncode == 0, both.stderr
    names = sorted(path.name for path in (upscaler.folder / "pictures").iterdir())
    assert names == ["dull [1].wav.png", "hires.wav.png"]
    one, same = (upscaler.folder / "one.png").read_bytes(), (upscaler.folder / "pictures" / names[0]).read_bytes()
    assert one == same and one.startswith(b"\x89PNG")


@pytest.mark.slow
def test_without_matplotlib_it_says_what_to_install(upscaler, folder):
    (upscaler.folder / "matplotlib.py").write_text("raise ImportError")
    upscaler.environment["PYTHONPATH"] = str(upscaler.folder)
    done = upscaler("inspect", folder / "full.flac", "--png", "x.png")
    assert done.returncode == 5 and "pip install 'ai-audio-upscaler[plots]'" in done.stderr
    assert not (upscaler.folder / "x.png").exists()


@pytest.mark.parametrize("words", [["nothing.wav"], ["*.xyz"]])
def test_nothing_to_look_at(upscaler, words):
    assert upscaler("inspect", *words).returncode == 4


def test_a_spectrogram_stays_small_and_keeps_its_place():
    rate = 1_000
    x = torch.zeros(1, 200_000)
    x[0, 150_000:] = torch.sin(2 * torch.pi * 100 * torch.arange(50_000) / rate)
    decibels, step = stream_spectrogram(x.split(9_999, -1), rate)
    assert len(decibels) <= MAX_COLUMNS and len(decibels) * step == pytest.approx(200, rel=0.05)
    loud = decibels[round(160 / step)]
    assert float(loud.max()) == pytest.approx(0, abs=1.5) and int(loud.argmax()) / (
        len(loud) - 1
    ) * 500 == pytest.approx(100, abs=10)
    assert float(decibels[round(100 / step)].max()) < -150


@pytest.mark.parametrize(
    ("cutoff", "slope", "rate", "lower"),
    [
        (21_900, 500, 96_000, 44_100),
        (23_000, 500, 96_000, 48_000),
        (7_700, 500, 48_000, 16_000),
        (3_900, 300, 44_100, 8_000),
        (6_000, 500, 44_100, None),
        (7_700, 48, 48_000, None),
        (22_050, 0, 44_100, None),
    ],
)
def test_the_rate_it_was_upsampled_from(cutoff, slope, rate, lower):
    assert source_rate(Bandwidth(cutoff, 60, slope), rate) == lower
