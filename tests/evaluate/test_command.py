"""`upscaler evaluate` as a user runs it: real audio, real processes, the documented exit codes."""

import json
import re
import signal
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
import soundfile as sf
import torch

from upscaler_core import Kind, discover
from upscaler_core.testing import Upscaler

SECONDS = 2


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """Run the command in this process; return its exit code and its output."""

    def run(*words):
        code = discover().build(Kind.COMMAND, "evaluate")([str(word) for word in words])
        return SimpleNamespace(returncode=code, **capsys.readouterr()._asdict())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, audio):
    """Two kinds by sub-folder, and a recording of 96 kHz."""
    root = tmp_path_factory.mktemp("evaluation")
    for kind, name in (
        ("music", "vibe_ace_30s_streamcopy.ogg"),
        ("music", "arovane_beat_d_cc0_lossless.flac"),
        ("speech", "speech_kerstin_de_cc0_48k.flac"),
    ):
        samples, rate = sf.read(audio / name, start=48_000, frames=SECONDS * 48_000)
        (root / "data" / kind).mkdir(parents=True, exist_ok=True)
        sf.write((root / "data" / kind / name).with_suffix(".flac"), samples, rate)
    samples, rate = sf.read(root / "data" / "speech" / "speech_kerstin_de_cc0_48k.flac")
    sf.write(root / "data" / "speech" / "x96.flac", samples, 96_000)
    return root


@pytest.fixture(scope="module")
def done(folder):
    words = ["baseline", "--data", "data", "--cutoffs", "4000,12000", "--jobs", "2"]
    done = Upscaler(folder)("evaluate", *words, "--report", "out/page.html", "--json", "out/all.json")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def numbers(folder, done):
    return json.loads((folder / "out" / "all.json").read_text())


@pytest.mark.slow
def test_the_table_has_every_kind_and_system(done):
    assert re.findall(r"cut-off (\d+) kHz", done.stdout) == ["4", "12"]
    for kind in ("all (3)", "music (2)", "speech (1)", "speech (96 kHz) (1)"):
        assert len(re.findall(rf"^{re.escape(kind)} +resampler alone", done.stdout, re.M)) == 2
    assert len(re.findall(r"null: tilted noise +\d", done.stdout)) == 2 * 4 + 2  # and the verdicts
    assert len(re.findall(r"\[\d/4, \d+ s left\]", done.stderr)) == 4


@pytest.mark.slow
def test_the_figures_follow_the_protocol(folder, numbers):
    up = discover()
    clip = folder / "data" / "music" / "vibe_ace_30s_streamcopy.flac"
    samples, rate = sf.read(clip, dtype="float32", always_2d=True)
    x = torch.from_numpy(samples.T.copy())
    soxr = up.resampler("soxr")
    again = soxr(soxr(x, rate, 8_000), 8_000, rate)[:, : x.shape[-1]]
    (row,) = (
        s
        for s in numbers["scores"]
        if (s["clip"], s["cutoff_hz"], s["system"]) == (clip.name, 4_000, "resampler alone")
    )
    assert row["values"]["lsd"] == pytest.approx(float(up.metric("lsd")(again[None], x[None], rate)), abs=1e-6)
    assert row["values"]["lsd-hf"] > row["values"]["lsd"]
    assert 0 <= row["length_error"] <= rate / 8_000


def test_means_are_over_recordings_and_96_khz_is_apart(numbers):
    scores = [
        s["values"]["lsd"]
        for s in numbers["scores"]
        if (s["cutoff_hz"], s["system"]) == (4_000, "baseline") and s["rate"] <= 48_000
    ]
    (row,) = (m for m in numbers["means"] if (m["cutoff_hz"], m["kind"], m["system"]) == (4_000, "all", "baseline"))
    assert row["clips"] == len(scores) == 3
    assert row["values"]["lsd"] == pytest.approx(sum(scores) / 3)


def test_the_null_beats_the_resampler_in_distance_and_modulation(numbers):
    for cutoff in (4_000, 12_000):
        bare, null = (
            next(
                m["values"] for m in numbers["means"] if (m["cutoff_hz"], m["kind"], m["system"]) == (cutoff, "all", s)
            )
            for s in ("resampler alone", "null: tilted noise")
        )
        assert null["lsd"] < bare["lsd"] - 0.3
        assert null["modulation-error"] < bare["modulation-error"]
        assert null["low-band-snr"] > 55


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_report_is_self_contained_and_accessible(folder, done):
    text = (folder / "out" / "page.html").read_text()
    assert len(text) < 10_000_000
    page = Page(text)
    links = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(link.startswith("data:") for link in links)
    assert "url(" not in text
    assert "@import" not in text
    assert len(page.of("img")) == len(page.of("audio")) == 2 * 4  # a recording a kind: itself and three systems
    assert all(image["alt"] for image in page.of("img"))
    assert all(sound["aria-label"] for sound in page.of("audio"))
    assert page.of("html")[0]["lang"] == "en"
    assert all(head.get("scope") for head in page.of("th"))


def test_jobs_and_repetition_change_no_digit(folder, numbers, evaluate, monkeypatch):
    monkeypatch.chdir(folder)
    again = evaluate("baseline", "--data", "data", "--cutoffs", "4000,12000", "--json", "b.json")
    assert again.returncode == 0, again.err
    assert json.loads((folder / "b.json").read_text())["scores"] == numbers["scores"]


def test_a_manifest_names_kinds_and_unreadable_files_are_reported(folder, tmp_path, evaluate):
    for name in ("a.flac", "b.flac"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_bytes((folder / "data" / "speech" / "x96.flac").read_bytes())
    (tmp_path / "data" / "c.flac").write_text("no audio")
    (tmp_path / "data" / "manifest.csv").write_text("file,kind\na.flac,voice\nb.flac,voice\nc.flac,noise\n")
    words = ("--data", "data", "--metrics", "level-change", "--cutoffs", "4000", "--limit", "1")
    done = evaluate(*words, "--json", "x.json")
    assert done.returncode == 1
    assert "c.flac" in done.err
    numbers = json.loads((tmp_path / "x.json").read_text())
    assert ({s["kind"] for s in numbers["scores"]}, {s["clip"] for s in numbers["scores"]}) == (
        {"voice (96 kHz)"},
        {"a.flac"},
    )
    assert [f["clip"] for f in numbers["failed"]] == ["c.flac"]
    (tmp_path / "data" / "manifest.csv").write_text("file,kind\nc.flac,noise\n")
    assert evaluate(*words).returncode == 4
    (tmp_path / "data" / "manifest.csv").write_text("name\nc.flac\n")
    assert evaluate(*words).returncode == 2


def test_two_files(folder, tmp_path, evaluate):
    x = folder / "data" / "music" / "vibe_ace_30s_streamcopy.flac"
    samples, rate = sf.read(x)
    sf.write(tmp_path / "half.flac", 0.5 * samples[:-7], rate)
    done = evaluate(x, "half.flac", "--metrics", "lsd,lsd-hf,level-change", "--json", "pair.json")
    assert done.returncode == 0, done.err
    assert re.search(r"level-change +6\.02 +dB", done.out)
    assert re.search(r"length-error +-7 +samples", done.out)
    assert "lsd-hf" not in done.out
    assert json.loads((tmp_path / "pair.json").read_text())["length_error"] == -7
    assert "lsd-hf" in evaluate(x, "half.flac", "--metrics", "lsd-hf", "--cutoffs", "4000").out
    sf.write(tmp_path / "slow.flac", samples, 22_050)
    refused = evaluate(x, "slow.flac")
    assert (refused.returncode, refused.out) == (2, "")
    assert "22050 Hz: resample" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["x.wav"], 2, "REFERENCE ESTIMATE"),
        (["--data", "nowhere"], 4, "nowhere is not a folder"),
        (["--data", ".", "--metrics", "lsdd"], 2, "did you mean 'lsd'"),
        (["--data", ".", "--cutoffs", "4k"], 2, "as 4000,8000"),
        (["--data", ".", "--report", "x.flac"], 2, "must end in .html"),
        (["--data", ".", "nothing.yaml"], 3, "nothing.yaml"),
        (["x.wav", "y.wav"], 4, "x.wav does not exist"),
    ],
)
def test_an_error_is_one_sentence_with_its_exit_code(evaluate, words, code, sentence):
    done = evaluate(*words)
    assert (done.returncode, len(done.err.splitlines())) == (code, 1), done.err
    assert sentence in done.err


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(folder, upscaler):
    (upscaler.folder / "many").mkdir()
    for index in range(40):
        (upscaler.folder / "many" / f"{index}.flac").symlink_to(folder / "data/music/vibe_ace_30s_streamcopy.flac")
    process = upscaler.start("evaluate", "--data", "many", "--json", "part.json")
    while "s left]" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    numbers = json.loads((upscaler.folder / "part.json").read_text())
    assert numbers["complete"] is False
    assert 1 <= len({s["clip"] for s in numbers["scores"]}) < 40
