"""`upscaler inspect` as a user runs it: real files and processes, the documented JSON, pictures that can be opened."""

import json

import numpy as np
import pytest
import soundfile as sf
import soxr
import torch
from conftest import AUDIO
from scipy import signal

from upscaler_core import discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.dsp.spectrogram import MAX_COLUMNS, stream_spectrogram
from upscaler_core.files import GivenCutoff
from upscaler_inspect.inspection import inspect
from upscaler_inspect.json_record import record
from upscaler_inspect.printing import print_inspection
from upscaler_inspect.spectrogram import draw
from upscaler_inspect.verdict import source_rate, verdict_of

KEYS = {
    "file", "status", "damage", "format", "rate_hz", "channels", "frames", "seconds", "bits", "floating", "bits_used",
    "peak_dbfs", "true_peak_dbtp", "loudness_lufs", "full_scale_samples", "clipped_runs", "dc", "cutoff_hz", "edge",
    "edge_drop_db", "edge_slope_db_per_octave", "lossy", "upsampled_from_hz", "looks", "advice", "verdict", "confidence",
    "cause", "above_edge", "codec", "kbps", "segments", "cutoff_given", "restored_by", "restored_above_hz", "made_by",
    "warnings", "layout",
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
    for facts in (coded, dull, full, hires):
        assert set(facts) == KEYS and facts["status"] == "ok"

    assert not full["edge"] and full["cutoff_hz"] == 22_050
    assert full["verdict"] == "lossy codec: nothing to add"  # it was an Ogg Vorbis file
    assert full["full_scale_samples"] > 0 and full["bits_used"] == 16 and full["edge_drop_db"] is None

    assert dull["edge"] and dull["cutoff_hz"] == pytest.approx(8_000, rel=0.03)
    place = f"{dull['cutoff_hz'] / 1000:.1f}"
    assert dull["advice"] == f"content to {place} kHz; {place} to 24 kHz can be restored"
    (part,) = dull["segments"]
    assert (part["start_s"], part["end_s"], part["cutoff_hz"]) == (0, 4, dull["cutoff_hz"])
    assert dull["dc"] == pytest.approx(0.01, abs=0.002) and dull["clipped_runs"] == 0

    assert hires["upsampled_from_hz"] == 44_100 and hires["looks"] == "resampled from 44.1 kHz" and not hires["lossy"]
    assert coded["lossy"] and coded["looks"] == "cut off steeply, as by a lossy codec" and coded["bits"] is None
    assert hires["loudness_lufs"] == pytest.approx(full["loudness_lufs"] - 6.02, abs=0.3)


@pytest.mark.slow
def test_what_people_read(upscaler, folder):
    done = upscaler("inspect", folder / "dull [1].wav", folder / "full.flac")
    assert done.returncode == 0, done.stderr
    assert "dull [1].wav" in done.stdout and "44.1 kHz, stereo, 4.0 s" in done.stdout
    assert "LUFS" in done.stdout and "  content      ends " in done.stdout and "DC offset" in done.stdout
    assert "can be restored" in done.stdout and "lossy codec: nothing to add" in done.stdout


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
    ("cutoff", "rate", "lower"),
    [
        (21_900, 96_000, 44_100),
        (23_000, 96_000, 48_000),
        (7_700, 48_000, 16_000),
        (3_900, 44_100, 8_000),
        (6_000, 44_100, None),
    ],
)
def test_the_rate_it_was_upsampled_from(cutoff, rate, lower):
    assert source_rate(cutoff, rate) == lower


EDGE = {"drop_db": 40.0, "slope": 500.0, "confidence": 0.9}
VERDICTS = [
    (Bandwidth(24_000), 48_000, "full band: nothing to add"),
    (Bandwidth(24_000, cause="full band", confidence=0.9), 48_000, "full band: nothing to add"),
    (Bandwidth(24_000, cause="lossy", confidence=0.01), 48_000, "no edge was found: nothing to add"),
    (
        Bandwidth(5_400, cause="resampled", drop_db=30, slope=500, confidence=0.45), 48_000,
        "cause unknown: content to 5.4 kHz; 5.4 to 24 kHz can be restored",
    ),
    (Bandwidth(8_000), 16_000, "complete for its rate of 16 kHz: content to 8.0 kHz; 8.0 to 24 kHz can be restored"),
    (Bandwidth(7_800, **EDGE), 16_000, "complete for its rate of 16 kHz: content to 7.8 kHz; 7.8 to 24 kHz can be restored"),
    (Bandwidth(24_000, cause="dark"), 48_000, "dark but complete: the content ends by itself; nothing to add"),
    (
        Bandwidth(21_800, cause="resampled", **EDGE), 96_000,
        "resampled from 44.1 kHz: content to 21.8 kHz; nothing audible to add",
    ),
    (
        Bandwidth(21_800, cause="resampled", **EDGE), 48_000,
        "resampled from 44.1 kHz: content to 21.8 kHz; nothing audible to add",
    ),
    (Bandwidth(6_300, cause="resampled", **EDGE), 48_000, "resampled: content to 6.3 kHz; 6.3 to 24 kHz can be restored"),
    (
        Bandwidth(16_000, cause="lossy", codec="MP3", kbps=128.0, **EDGE), 44_100,
        "lossy codec, probably MP3 at about 128 kbit/s: content to 16.0 kHz; 16.0 to 24 kHz can be restored",
    ),
    (Bandwidth(20_000, cause="lossy", **EDGE), 44_100, "lossy codec: content to 20.0 kHz; nothing audible to add"),
    (
        Bandwidth(12_000, cause="low-pass", drop_db=20, slope=40), 44_100,
        "low-passed gently (tape, microphone or analogue filter): content to 12.0 kHz; 12.0 to 24 kHz can be restored",
    ),
    (
        Bandwidth(7_800, drop_db=30, slope=120), 48_000,
        "low-passed gently (tape, microphone or analogue filter): content to 7.8 kHz; 7.8 to 24 kHz can be restored",
    ),
    (
        Bandwidth(16_000, **EDGE), 48_000,
        "cut off steeply, as by a lossy codec or a resampling from 32 kHz: "
        "content to 16.0 kHz; 16.0 to 24 kHz can be restored",
    ),
    (Bandwidth(7_800, **EDGE), 48_000, "resampled from 16 kHz: content to 7.8 kHz; 7.8 to 24 kHz can be restored"),
    (Bandwidth(6_000, **EDGE), 44_100, "low-passed steeply: content to 6.0 kHz; 6.0 to 24 kHz can be restored"),
]  # fmt: skip


@pytest.mark.parametrize(("bandwidth", "rate", "words"), VERDICTS)
def test_a_verdict_is_one_sentence_that_accuses_nobody_falsely(bandwidth, rate, words):
    assert str(verdict_of(BandwidthTrack.constant(bandwidth), rate)) == words


class Says:
    """A detector that says what it was told."""

    def __init__(self, *segments):
        self.track = BandwidthTrack(tuple(Segment(start, bandwidth) for start, bandwidth in segments))
        self.frames = 0

    def survey(self, rate):
        return self

    def add(self, block):
        self.frames += block.shape[-1]

    def finish(self):
        return self.track


TELEPHONE = Bandwidth(3_900, 40, 500, 0.97, "resampled", "images")
STUDIO = Bandwidth(16_000, 30, 500, 0.52, "lossy", "noise", "MP3", 128)


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise.wav"
    sf.write(path, np.random.default_rng(0).normal(0, 0.1, 96_000), 48_000)
    return path


def test_a_file_of_several_parts_is_told_part_by_part(noise, capsys):
    detector = Says((0, TELEPHONE), (24_000, STUDIO), (72_000, Bandwidth(24_000, cause="full band", confidence=0.9)))
    result, _ = inspect(noise, discover(), detector)
    assert detector.frames == 96_000
    facts = record(result)
    assert set(facts) == KEYS and json.dumps(facts, allow_nan=False)
    assert [(part["start_s"], part["end_s"]) for part in facts["segments"]] == [(0, 0.5), (0.5, 1.5), (1.5, 2)]
    studio = {
        "cutoff_hz": 16_000,
        "confidence": 0.52,
        "cause": "lossy",
        "above_edge": "noise",
        "codec": "MP3",
        "kbps": 128,
    }
    assert facts["segments"][1].items() >= studio.items()
    assert (facts["cutoff_hz"], facts["cause"], facts["confidence"]) == (3_900, "resampled", 0.52)
    print_inspection(result, last=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines[1:-1]) <= 80
    assert lines[3:] == [
        "  parts        from   0.0 s  to  3.9 kHz  resampled from 8 kHz  97 % sure",
        "               from   0.5 s  to 16.0 kHz  cause unknown  52 % sure",
        "               from   1.5 s  to 24.0 kHz  full band  90 % sure",
        "  → 3 parts that end at 3.9 to 24.0 kHz: 2 of them can be restored up to 24 kHz",
        "  → not sure about 1 of 3 parts (52 %): to decide yourself, see `upscaler inspect --write-cutoffs` and --cutoffs",
    ]


def test_a_low_confidence_is_told_with_how_to_decide(noise, capsys):
    result, _ = inspect(noise, discover(), Says((0, Bandwidth(8_000, 20, 40, 0.41, "low-pass"))))
    print_inspection(result, last=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "  content      ends gradually at 8.0 kHz, 41 % sure"
    assert lines[-1] == (
        "  → not sure (41 %): to decide yourself, add --cutoff 8000 (or --cutoff 24000 to leave it alone)"
    )


def test_a_given_cutoff_is_not_measured(noise):
    detector = Says((0, STUDIO))
    result, _ = inspect(noise, discover(), detector, cutoffs=(GivenCutoff(0.0, 5_000.0),))
    assert detector.frames == 0 and (result.given, result.bandwidth.cutoff_hz) == (True, 5_000)
    assert str(result.verdict) == "as you said: content to 5.0 kHz; 5.0 to 24 kHz can be restored"


def test_the_picture_shows_the_cutoff_over_time(noise, tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    lines, labels = [], []
    plot, annotate = Axes.plot, Axes.annotate
    monkeypatch.setattr(Axes, "plot", lambda self, *a, **k: lines.append(a) or plot(self, *a, **k))
    monkeypatch.setattr(Axes, "annotate", lambda self, *a, **k: labels.append(a[0]) or annotate(self, *a, **k))
    result, decibels = inspect(noise, discover(), Says((0, TELEPHONE), (48_000, STUDIO)), picture=True)
    draw(result, decibels, tmp_path / "x.png")
    assert lines[-1] == ([0, 1, 1, 2], [3.9, 3.9, 16.0, 16.0]) and labels == ["3.9 kHz", "16.0 kHz"]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_restored_is_no_original(upscaler):
    x = np.random.default_rng(0).normal(0, 0.1, 9_600)
    with sf.SoundFile(upscaler.folder / "x.wav", "w", 48_000, 1) as sound:
        sound.software = "ai-audio-upscaler 9.9; restored above 7.8 kHz; restore"
        sound.write(x)
    done = upscaler("inspect", "x.wav", "--json", "--write-cutoffs", "x.csv", "--detector", "edge-rules")
    (facts,) = json.loads(done.stdout)
    assert (facts["restored_by"], facts["restored_above_hz"]) == ("ai-audio-upscaler 9.9", 7_800)
    assert facts["verdict"] == ("restored by ai-audio-upscaler 9.9 above 7.8 kHz: what is there was added")
    assert (upscaler.folder / "x.csv").read_text() == (
        "file,cutoff_hz,start,note\nx.wav,24000,0,restored above 7.8 kHz\n"
    )
    again = upscaler("inspect", "x.wav", "--write-cutoffs", "x.csv")
    assert again.returncode == 1 and "x.csv exists: it may have been edited" in again.stderr


@pytest.mark.slow
def test_a_survey_is_edited_and_judged_again(upscaler, folder):
    assert upscaler("inspect", folder, "--write-cutoffs", "list.csv").returncode == 1  # one file is no audio
    text = (upscaler.folder / "list.csv").read_text()
    assert [line.rpartition("/")[2].partition(",")[0] for line in text.splitlines()] == [
        "file", "coded.mp3", "dull [1].wav", "full.flac", "hires.wav",
    ]  # fmt: skip
    (upscaler.folder / "list.csv").write_text("file,cutoff_hz\ncoded.mp3,12k\nfull.flac,auto\nnone.wav,5000\n")
    done = upscaler("inspect", folder, "--cutoffs", "list.csv", "--cutoff", "9k", "--json")
    cutoffs = {facts["file"].rpartition("/")[2]: facts.get("cutoff_hz") for facts in json.loads(done.stdout)}
    assert cutoffs == {
        "bad.wav": None, "coded.mp3": 12_000, "dull [1].wav": 9_000, "full.flac": 22_050, "hires.wav": 9_000,
    }  # fmt: skip
    assert "warning: list.csv:4:1: no input is 'none.wav', so this row changes nothing" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cutoff", "high"], "--cutoff: 'high' is no cut-off"),
        (["--cutoffs", "none.csv"], "none.csv cannot be read: No such file or directory"),
        (["--detector", "edge-rulez"], "there is no detector 'edge-rulez'; did you mean 'edge-rules'"),
    ],
)
def test_what_was_typed_wrongly_is_told(upscaler, noise, words, sentence):
    done = upscaler("inspect", noise, *words)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(f"upscaler: {sentence}")


@pytest.mark.slow
def test_what_a_decoder_prints_becomes_one_warning(upscaler, folder):
    data = (folder / "coded.mp3").read_bytes()
    hole = np.random.default_rng(0).bytes(4_000)
    (upscaler.folder / "hole.mp3").write_bytes(data[:20_000] + hole + data[20_000:])
    done = upscaler("inspect", "hole.mp3", "--json")
    assert done.returncode == 0 and done.stderr == ""
    (facts,) = json.loads(done.stdout)
    assert len(facts["warnings"]) == 1 and facts["warnings"][0].startswith("the decoder says: ")
    plain = upscaler("inspect", "hole.mp3")
    assert plain.stderr == "" and f"  warning      {facts['warnings'][0]}\n" in plain.stdout
    dry = upscaler("enhance", "hole.mp3", "--dry-run")
    assert dry.returncode == 0 and dry.stderr == ""
    assert "measured first, then restored if needed" in dry.stdout
