"""Bad input loses nothing: one sentence and the right exit code each, outputs complete or absent, originals untouched."""

import ctypes
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

pytestmark = pytest.mark.slow  # every test starts the command line, most of them several times

PIPELINE = "version: 1\ntarget_rate: 48000\nresampler: {use: poly-sinc-hq, dsp_quality: fast}\n"


def music(frames=8_000, channels=2):
    noise = np.random.default_rng(0).standard_normal((frames, channels))
    return (0.3 * np.sin(np.arange(frames) * 0.05)[:, None] + 0.05 * noise).astype(np.float32)


def encoded(container="WAV", coding="PCM_16", audio=None, rate=48_000):
    file = io.BytesIO()
    sf.write(file, music() if audio is None else audio, rate, coding, format=container)
    return file.getvalue()


def patched(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def floats(*bad):
    audio = music(channels=1)
    audio[1_000 : 1_000 + len(bad), 0] = bad
    return encoded(coding="FLOAT", audio=audio)


def rate_of(hertz):
    return patched(encoded(), 24, struct.pack("<II", hertz, hertz * 4 % 2**32))


WAV = encoded()
FLAC = encoded("FLAC")

REFUSED = {
    "empty.wav": (b"", "it is empty"),
    "one byte.flac": (b"f", "not audio"),
    "text.mp3": (b"these are no frames\n" * 1_000, "not audio"),
    "zeros.ogg": (bytes(100_000), "not audio"),
    "chunks of zeros.wav": (b"RIFF\xff\xff\xff\xffWAVE" + bytes(20_000_000), "not audio"),
    "header only.wav": (WAV[:40], "not audio"),
    "no samples.wav": (encoded(audio=music(0)), "holds no audio"),
    "no samples.au": (encoded("AU", audio=music(0)), "holds no audio"),
    "1 Hz.wav": (rate_of(1), "sample rate of 1 Hz"),
    "2 GHz.wav": (rate_of(2_000_000_000), "sample rate of 2,000,000,000 Hz"),
    "4 GHz.wav": (rate_of(4_000_000_000), "header is damaged"),
    "65 channels.wav": (encoded(audio=music(100, 65)), "65 channels"),
    "no channels.wav": (patched(WAV, 22, bytes(2)), "not audio"),
    "cut to its header.flac": (FLAC[:100], "audio"),
    "cut to its header.ogg": (encoded("OGG", "VORBIS")[:100], "not audio"),
}
"""What each must be refused with."""

DAMAGED = {
    "lying.wav": (patched(WAV, 40, struct.pack("<I", 1 << 30)), "bytes of audio that its header promises are missing"),
    "lying.flac": (patched(FLAC, 22, struct.pack(">I", 1 << 31)), "it ends after"),
    "half.wav": (WAV[: len(WAV) // 2], "cut off"),
    "half.flac": (FLAC[: len(FLAC) * 2 // 3], "ends after"),
    "half.ogg": (encoded("OGG", "VORBIS", music(90_000))[:-3_000], "cut off"),
    "half.mp3": (encoded("MP3", "MPEG_LAYER_III", music(90_000))[:-4_000], "ends after"),
    "half.aiff": (encoded("AIFF")[:20_000], "cut off"),
    "half.w64": (encoded("W64")[:20_000], "cut off"),
    "half.caf": (encoded("CAF", "PCM_24")[:20_000], "cut off"),
    "half.rf64": (encoded("RF64")[:20_000], "cut off"),
    "half.au": (encoded("AU")[:20_000], "cut off"),
    "flipped.flac": (patched(FLAC, len(FLAC) // 2, b"\x55" * 40), "could not be decoded and are silent"),
    "nan.wav": (floats(np.nan, np.inf, -np.inf), "3 samples were not numbers"),
    "huge.wav": (floats(3e38, -1e30), "2 samples were not numbers"),
}
"""What each is decoded with a warning of."""

FINE = {
    "good.wav": WAV,
    "one sample.wav": encoded(audio=music(1)),
    "one sample.flac": encoded("FLAC", audio=music(1)),
    "64 channels.wav": encoded(audio=music(100, 64)),
    "1 kHz.wav": encoded(audio=music(50), rate=1_000),
    "767,999 Hz.wav": encoded(audio=music(1_000), rate=767_999),
    "of unwritten length.wav": patched(WAV, 40, bytes(4)),
    os.fsdecode(b"caf\xe9.wav"): WAV,
    "%s {} [bold]\n\x1b.wav": WAV,
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE)
    (tmp_path / "in").mkdir()
    return tmp_path


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob("*") if path.is_file()}


def done(upscaler, *words, code):
    """Run, and return the record of each file."""
    begun = time.monotonic()
    process = upscaler(*words, "--json")
    assert time.monotonic() - begun < 60
    assert process.returncode == code, process.stderr
    assert "Traceback" not in process.stderr and "a bug" not in process.stderr
    output = json.loads(process.stdout)
    assert output["exit_code"] == code
    return {Path(file["source"]).name: file for file in output["files"]}


def check_refused(files, refused):
    for name, message in refused.items():
        assert files[name]["status"] == "failed", name
        assert files[name]["exit_code"] == 4, name
        assert message in files[name]["message"], files[name]["message"]
        assert name in files[name]["message"] and files[name]["message"].count("\n") == name.count("\n")


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_bad_file_fails_or_warns_alone(upscaler, folder, jobs):
    contents = {name: data for name, (data, _) in (REFUSED | DAMAGED).items()} | FINE
    for name, data in contents.items():
        (folder / "in" / name).write_bytes(data)
    (folder / "in" / "a folder.wav").mkdir()
    (folder / "in" / "lost link.wav").symlink_to("nowhere")
    (folder / "in" / "in circles.wav").symlink_to("in circles.wav")
    (folder / "in" / "device.wav").symlink_to("/dev/zero")
    os.mkfifo(folder / "in" / "pipe.wav")
    before = digests(folder / "in")
    files = done(upscaler, "run", "p.yaml", "in", "-o", "out/{name}", "--jobs", jobs, code=1)
    assert digests(folder / "in") == before
    more = {"lost link.wav": "does not exist", "device.wav": "regular file", "pipe.wav": "regular file"}
    check_refused(files, {name: message for name, (_, message) in REFUSED.items()} | more | {"in circles.wav": ""})
    for name, (_, message) in DAMAGED.items():
        status = "damaged" if files[name]["silenced_share"] > 0.05 else "done"
        assert files[name]["status"] == status, files[name]
        assert files[name]["damage"] and files[name]["damage"] in " ".join(files[name]["warnings"])
        assert message in " ".join(files[name]["warnings"]), files[name]["warnings"]
    for name in FINE:
        assert files[name]["status"] == "done", name
    written = [path for path in (folder / "out").rglob("[!.]*") if path.is_file()]
    assert len(written) == len(DAMAGED) + len(FINE)
    for path in written:
        audio, _ = sf.read(os.fsencode(path))
        assert len(audio) and np.isfinite(audio).all()


def test_a_file_that_is_mostly_silence_by_damage_is_damaged(upscaler, folder):
    (folder / "in" / "flipped.flac").write_bytes(DAMAGED["flipped.flac"][0])
    (folder / "in" / "good.wav").write_bytes(WAV)
    words = ["run", "p.yaml", "in"]
    files = done(upscaler, *words, "-o", "out/", code=1)
    assert [files[name]["status"] for name in ("flipped.flac", "good.wav")] == ["damaged", "done"]
    assert files["flipped.flac"]["silenced_share"] > 0.05 and files["good.wav"]["silenced_share"] == 0
    assert len(list((folder / "out").glob("[!.]*"))) == 2
    process = upscaler(*words, "-o", "again/")
    assert "% is silence" in process.stdout and "1 done, 1 damaged" in process.stdout
    strict = done(upscaler, *words, "-o", "strict/", "--strict", code=1)
    assert [strict[name]["status"] for name in ("flipped.flac", "good.wav")] == ["failed", "done"]


def test_each_warning_and_failure_is_printed_once_and_repeated_in_the_summary(upscaler, folder):
    long = encoded("FLAC", audio=music(200_000))
    for name, data in (("cut.flac", long[: len(long) // 2]), ("text.mp3", b"these are no frames\n" * 1_000)):
        (upscaler.folder / name).write_bytes(data)
    done = upscaler("enhance", "cut.flac", "text.mp3", "-o", "out/", "--preset", "baseline", "-r", "48000")
    for part in ("the file is damaged", "not audio"):
        assert done.stderr.count(part) == 1, done.stderr
        assert done.stdout.count(part) == 1, done.stdout


def test_where_no_input_can_be_read_the_exit_code_is_4(upscaler, folder):
    (folder / "in" / "a.wav").write_bytes(b"")
    (folder / "in" / "b.flac").write_bytes(FLAC[:50])
    check_refused(done(upscaler, "run", "p.yaml", "in", "-o", "out/", code=4), {"a.wav": "empty", "b.flac": ""})
    assert not list(folder.glob("out/*"))


@pytest.mark.parametrize("word", ["x" * 300 + ".wav", "p.yaml/inside.wav", "in"])
def test_names_that_lead_nowhere(upscaler, folder, word):
    (folder / "in" / "a folder.wav").mkdir()
    process = upscaler("run", "p.yaml", word)
    assert process.returncode == 4, process.stderr
    assert word in process.stderr and "Traceback" not in process.stderr


def test_a_name_that_leaves_no_room_for_the_output(upscaler, folder):
    (folder / "in" / ("x" * 250 + ".wav")).write_bytes(WAV)
    process = upscaler("run", "p.yaml", "in")
    assert process.returncode == 1, process.stderr
    assert "File name too long" in process.stderr and "a bug" not in process.stderr


def without_privileges():
    """Even root may not read what its mode forbids; owners elsewhere may not anyway."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="root's privileges are dropped in Linux's way")
def test_what_may_not_be_read(upscaler, folder):
    for name in ("a.wav", "secret.wav", "locked/b.wav"):
        (folder / "in" / name).parent.mkdir(exist_ok=True)
        (folder / "in" / name).write_bytes(WAV)
    (folder / "in" / "secret.wav").chmod(0)
    (folder / "in" / "locked").chmod(0)
    words = "run", "p.yaml", "in", "in/locked/b.wav", "-o", "out/", "--json"
    process = upscaler(*words, preexec_fn=without_privileges)
    (folder / "in" / "locked").chmod(0o700)
    assert process.returncode == 1, process.stderr
    files = {file["source"]: file for file in json.loads(process.stdout)["files"]}
    assert files["in/a.wav"]["status"] == "done"
    assert "Permission denied" in files["in/secret.wav"]["message"]
    assert "may not be read" in files["in/locked"]["message"]
    assert "Permission denied" in files["in/locked/b.wav"]["message"]


CRASHING = """
import ctypes
from upscaler_core import Component, hookimpl

class Reader:
    def __init__(self, options=None): ...
    def open(self, path): ctypes.string_at(0)

@hookimpl
def upscaler_readers():
    return [Component("crashing", "upscaler_crashing:Reader", summary="x", suffixes=(".boom",))]
"""


@pytest.fixture
def crashing(upscaler, folder):
    """A plugin whose reader of .boom files crashes."""
    info = folder / "site" / "crashing-1.dist-info"
    info.mkdir(parents=True)
    (folder / "site" / "upscaler_crashing.py").write_text(CRASHING)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[upscaler.plugins]\ncrashing = upscaler_crashing\n")
    upscaler.environment["PYTHONPATH"] = str(folder / "site")


@pytest.mark.usefixtures("crashing")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_decoder_that_crashes_takes_only_its_file(upscaler, folder, jobs):
    for name in ("a.wav", "b.boom", "c.wav"):
        (folder / "in" / name).write_bytes(WAV)
    before = digests(folder / "in")
    process = upscaler("run", "p.yaml", "in", "-o", "out/", "--jobs", jobs)
    assert digests(folder / "in") == before
    written = sorted(path.name for path in (folder / "out").glob("[!.]*"))
    assert (process.returncode, written) == (1, ["a.flac", "c.flac"])
    assert "in/b.boom: the process crashed (exit -11)" in process.stderr
    assert all(len(sf.read(folder / "out" / name)[0]) == 8_000 for name in written)


@pytest.mark.usefixtures("crashing")
def test_a_single_file_whose_decoder_crashes_ends_in_a_sentence(upscaler, folder):
    (folder / "b.boom").write_bytes(WAV)
    process = upscaler("run", "p.yaml", "b.boom", "-o", "out.wav")
    assert process.returncode == 1
    assert "b.boom: the process crashed (exit -11)" in process.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["b.boom", "in", "p.yaml", "site"]


def test_what_a_decoder_prints_does_not_reach_the_user(upscaler, folder):
    """libmpg123 does, in C."""
    data = bytearray(encoded("MP3", "MPEG_LAYER_III", music(90_000)))
    for at in range(9_000, len(data) - 40, 3_000):
        data[at : at + 40] = b"\x55" * 40
    (folder / "odd.mp3").write_bytes(data)
    script = "import sys, soundfile; soundfile.read('odd.mp3')"
    alone = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert "mpg123" in alone.stderr
    process = upscaler("run", "p.yaml", "odd.mp3", "-o", "out.wav")
    assert process.returncode == 0, process.stderr
    assert "mpg123" not in process.stderr


PIPELINES = {
    "binary": (bytes(range(256)) * 40, "is not UTF-8 text"),
    "null": (b"version: 1\0", "not valid YAML"),
    "long": (b"version: 1\n" + b"# more\n" * 1_500_000, "at most 64 KiB"),
    "laughs": (
        b"version: 1\nmodels:\n  a0: &a0 [x, x]\n"
        + b"".join(b"  a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60)),
        "more than 10,000 nodes",
    ),
    "itself": (b"version: 1\nfinish: &a [*a]", "more than 10,000 nodes"),
    "deep": (b"version: 1\nfinish: " + b"[" * 30_000, "nests too deeply"),
    "sixties": (b"version: 1\nseed: 1" + b":1" * 30_000, "seed: a value of 60,001 characters"),
    "overflow": (b"version: 1\ncutoff_hz: 1" + b":1" * 3_000 + b".0", "cutoff_hz: a value of 6,003 characters"),
    "tags": (b"version: !!int ''", "a tag does not fit its value"),
    "dates": (b"version: !!timestamp x", "a tag does not fit its value"),
    "python": (b"version: !!python/object/apply:os.getcwd []", "not valid YAML"),
    "empty": (b"", "a pipeline file is a mapping"),
}


def test_bad_pipeline_files(upscaler, folder):
    for name, (data, _) in PIPELINES.items():
        (folder / f"{name}.yaml").write_bytes(data)
    begun = time.monotonic()
    process = upscaler("check", "/dev/zero", "in", *(f"{name}.yaml" for name in PIPELINES))
    assert time.monotonic() - begun < 30
    assert process.returncode == 3, process.stderr
    assert "Traceback" not in process.stderr
    lines = process.stderr.splitlines()
    for name, (_, message) in PIPELINES.items():
        (line,) = [line for line in lines if line.startswith(f"upscaler: {name}.yaml")]
        assert message in line
    assert len(lines) == len(PIPELINES) + 2
    process = upscaler("run", "sixties.yaml", "in")
    assert process.returncode == 3, process.stderr
