"""A file that would clip is lowered once, as a whole; all others keep every bit of their level."""

import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile as sf
import torch
from scipy import signal

from upscaler_core import Pipeline, UsageError, discover, load_pipeline
from upscaler_core.dsp.true_peak import PeakMeter
from upscaler_core.pipeline.events import Advanced, Planned
from upscaler_core.testing import fakes, signals

RATE = 44_100


@pytest.fixture
def master() -> np.ndarray:
    """Half a second of loud music: `[time, channel]`, samples up to full scale, true peak above it."""
    sections = signal.butter(4, 12_000, fs=RATE, output="sos")
    x = signal.sosfilt(sections, np.random.default_rng(0).standard_normal((RATE // 2, 2)), axis=0)
    return np.clip(3 * x / np.abs(x).max(), -1, 1 - 2**-15)


@pytest.fixture
def baseline() -> Pipeline:
    return load_pipeline("baseline", discover(), ["target_rate=96000"])


def written(pipeline, x, folder, name="out.flac", rate=RATE, subtype="PCM_16", **options):
    """What became of samples in a file: the result, and the samples `[time, channel]` read back."""
    sf.write(folder / "in.wav", x, rate, subtype=subtype)
    result = pipeline.write(folder / "in.wav", folder / name, overwrite=True, **options)
    assert sorted(path.name for path in folder.iterdir()) == sorted({"in.wav", name})
    return result, sf.read(folder / name, always_2d=True)[0]


def true_peak(x: np.ndarray) -> float:
    return float(np.abs(signal.resample_poly(x, 16, 1, axis=0)).max())


@pytest.mark.parametrize("name", ["out.flac", "out.wav"])
def test_a_master_is_lowered_by_one_gain_and_keeps_its_dynamics(baseline, master, tmp_path, name):
    result, out = written(baseline, master, tmp_path, name)
    as_it_is = baseline(sf.read(tmp_path / "in.wav")[0].T, RATE).T
    assert result.lowered_db == pytest.approx(20 * math.log10(true_peak(as_it_is)) + 0.01, abs=0.02)
    assert (result.clipped, result.limited_db) == (0, 0)
    assert true_peak(out) <= 1
    assert np.abs(out - as_it_is * 10 ** (-result.lowered_db / 20)).max() < 3e-7  # two steps of 24 bits
    assert written(baseline, master, tmp_path, name)[0].lowered_db == result.lowered_db


def test_what_stays_below_full_scale_is_left_alone(baseline, master, tmp_path):
    result, _ = written(baseline, 0.5 * master, tmp_path)
    lowered = (tmp_path / "out.flac").read_bytes()
    none = load_pipeline("baseline", discover(), ["target_rate=96000", "headroom=none"])
    written(none, 0.5 * master, tmp_path)
    assert result.lowered_db == 0 and (tmp_path / "out.flac").read_bytes() == lowered


def test_samples_that_do_not_change_are_not_lowered_for_what_is_between_them(master, tmp_path):
    same_rate = load_pipeline("baseline", discover(), [f"target_rate={RATE}"])
    result, out = written(same_rate, master, tmp_path, export={"use": "flac", "bits": 24, "dither": "none"})
    assert true_peak(master) > 1.1
    assert result.lowered_db == 0 and np.array_equal(out, sf.read(tmp_path / "in.wav")[0])


def test_a_float_source_beyond_full_scale_fits_into_integers(master, tmp_path):
    same_rate = load_pipeline("baseline", discover(), [f"target_rate={RATE}"])
    result, out = written(same_rate, 4 * master, tmp_path, subtype="FLOAT")
    assert result.lowered_db == pytest.approx(12.05, abs=0.01) and result.clipped == 0
    assert np.abs(out - 4 * master * 10 ** (-result.lowered_db / 20)).max() < 3e-7


def test_a_float_output_keeps_its_level(baseline, master, tmp_path):
    export = {"use": "wav", "bits": "float"}
    result, out = written(baseline, master, tmp_path, "out.wav", export=export)
    assert result.lowered_db == 0
    assert np.array_equal(out, baseline(sf.read(tmp_path / "in.wav")[0].T, RATE).T) and np.abs(out).max() > 1.1


class Counted(fakes.Mirror):
    """Counts the windows that it is called with."""

    calls = 0

    def __call__(self, baseline, conditions):
        Counted.calls += 1
        return super().__call__(baseline, conditions)


@pytest.mark.parametrize("level", [1.0, 0.1])
def test_models_run_once(master, tmp_path, monkeypatch, level):
    line = Pipeline(
        discover().resampler("linear"), 96_000, {"mirror": Counted(fakes.MirrorOptions(rate=48_000, level=0.5))}
    )
    calls = []
    for headroom in ("none", "auto"):
        Counted.calls = 0
        pipeline = Pipeline(line.resampler, 96_000, line.models, headroom=headroom, cutoff_hz=8_000)
        result, _ = written(pipeline, level * master, tmp_path)
        calls.append(Counted.calls)
    assert result.added and calls[0] == calls[1] > 0
    assert (result.lowered_db > 0) == (level == 1) and result.clipped == 0


def test_progress_ends_where_it_was_said_to(baseline, master, tmp_path):
    mirror = {"mirror": fakes.Mirror(fakes.MirrorOptions(rate=48_000, level=0.5))}
    for pipeline in (baseline, Pipeline(baseline.resampler, 96_000, mirror, cutoff_hz=8_000)):
        events = []
        result, _ = written(pipeline, np.tile(master, (4, 1)), tmp_path, on_event=events.append)
        *_, plan = (event.seconds for event in events if isinstance(event, Planned))
        told = Counter()
        for event in events:
            if isinstance(event, Advanced):
                told[event.stage] += event.seconds
        assert result.lowered_db > 0
        assert told == pytest.approx(plan, rel=0.01)
        assert ("lower" in plan) == bool(pipeline.models)  # else the signal is computed once more


def test_a_limiter_at_the_end_needs_no_gain_and_none_leaves_it_out(master, tmp_path):
    limited = load_pipeline("baseline", discover(), ["target_rate=96000", "headroom=limit"])
    result, out = written(limited, master, tmp_path)
    assert result.lowered_db == 0 and result.limited_db > 2 and true_peak(out) < 10 ** (-0.95 / 20)
    settings = ["target_rate=96000", "finish=[{use: limiter}]", "headroom=none"]
    result, _ = written(load_pipeline("baseline", discover(), settings), master, tmp_path)
    assert result.limited_db == 0 and result.clipped > 0
    (warning,) = result.warnings
    assert "--headroom auto" in warning and "--bits float" in warning


def test_a_limiter_by_hand_is_a_finisher():
    with pytest.raises(UsageError, match="finisher\\('limiter'\\)"):
        Pipeline(discover().resampler("linear"), headroom="limit")


def test_a_full_disk_leaves_neither_output_nor_copy(master, tmp_path, monkeypatch):
    def full(self, signal):
        for block in signal:
            yield block
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("upscaler_core.pipeline.headroom.SignalCopy.filled", full)
    mirror = {"mirror": fakes.Mirror(fakes.MirrorOptions(rate=48_000))}
    sf.write(tmp_path / "in.wav", master, RATE)
    with pytest.raises(Exception, match="cannot be written: No space left on device"):
        Pipeline(discover().resampler("linear"), 96_000, mirror, cutoff_hz=8_000).write(
            tmp_path / "in.wav", tmp_path / "out.flac"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


@pytest.mark.parametrize("size", [1, 999, 100_000])
def test_the_meter_changes_nothing_and_does_not_depend_on_blocks(size):
    x = 1.2 * signals.band_limited(48_000, 20_000, 3.0, channels=2)
    meter = PeakMeter(between_samples=True)
    out = torch.cat(list(meter.watch(x.split(size, -1) if size > 1 else [x])), -1)
    assert torch.equal(out, x)
    assert meter.peak == pytest.approx(true_peak(x.T.numpy()), rel=2e-3) or true_peak(x.T.numpy()) < 1


def test_no_limit_does_not_load_torch_where_no_file_is_processed(upscaler, master):
    sf.write(upscaler.folder / "hot.wav", master, RATE)
    code = (
        "import sys\nfrom upscaler_core.cli import main\n"
        "try:\n    main(['enhance', 'hot.wav', '-o', 'loud.flac', '--preset', 'whitepaper', '--set', 'models={}',"
        " '--set', 'fusion=null', '--no-limit', '-q'])\n"
        "except SystemExit as end:\n    assert not end.code\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=upscaler.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (upscaler.folder / "loud.flac").exists()


def test_the_summary_says_it(upscaler, master):
    sf.write(upscaler.folder / "hot.wav", master, RATE)
    done = upscaler("enhance", "hot.wav", "--preset", "baseline", "-o", "out.flac")
    assert done.returncode == 0 and "lowered by 3." in done.stdout and "so that nothing clips" in done.stdout
    done = upscaler("enhance", "hot.wav", "--no-limit", "--headroom", "limit")
    assert done.returncode == 2 and "--no-limit means --headroom none" in done.stderr
