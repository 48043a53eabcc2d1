"""`upscaler run` and `enhance` as a user runs them: real files, real processes, the documented exit codes."""

import hashlib
import json
import os
import re
import signal
import time

import numpy as np
import pytest
import soundfile as sf

PIPELINE = "version: 1\ntarget_rate: 48000\nresampler: {use: poly-sinc-hq, dsp_quality: fast}\n"


def tone(path, rate=16_000, seconds=1.0, channels=2, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(rate * seconds)) / rate
    sf.write(
        path, np.stack([0.3 * np.sin(2 * np.pi * 440 * (c + 1) * t) for c in range(channels)], 1), rate, **settings
    )
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE)
    tone(tmp_path / "in" / "a.wav")
    tone(tmp_path / "in" / "deep" / "b.flac", rate=44_100)
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    return tmp_path


def test_the_readme_line_makes_a_96_khz_file_of_real_audio(upscaler, audio):
    done = upscaler("enhance", audio / "speech_kerstin_de_cc0_48k.flac", "-o", "out.flac")
    assert done.returncode == 0, done.stderr
    info, source = sf.info(upscaler.folder / "out.flac"), sf.info(audio / "speech_kerstin_de_cc0_48k.flac")
    assert (info.samplerate, info.channels, info.subtype) == (96_000, source.channels, "PCM_24")
    assert info.frames == 2 * source.frames
    assert "1 done" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("rate", [44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800, 384_000, 8_000, 50_001])
def test_every_rate_of_the_paper_and_others(upscaler, rate):
    tone(upscaler.folder / "x.wav", rate=32_000, seconds=0.37, channels=3)
    done = upscaler("enhance", "x.wav", "-o", "y.wav", "-r", rate)
    assert done.returncode == 0, done.stderr
    info = sf.info(upscaler.folder / "y.wav")
    assert (info.samplerate, info.channels, info.frames) == (rate, 3, -(-11_840 * rate // 32_000))


def test_a_tree_is_mirrored(upscaler, folder):
    done = upscaler("run", "p.yaml", "in", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert {p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("[!.]*.*")} == {
        "a.flac",
        "deep/b.flac",
    }


@pytest.mark.slow
def test_globs_templates_and_defaults(upscaler, folder):
    assert upscaler("run", "p.yaml", "in/**/*.flac", "in/*.wav", "-o", "out/{stem}_{rate}.wav").returncode == 0
    assert {p.name for p in (folder / "out").glob("[!.]*")} == {"a_48000.wav", "b_48000.wav"}
    assert upscaler("run", "p.yaml", "in/a.wav").returncode == 0
    assert (folder / "in" / "a.upscaled.flac").exists()
    again = upscaler("run", "p.yaml", "in", "--dry-run", "--json")
    assert not any("upscaled" in file["source"] for file in json.loads(again.stdout)["files"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subtype", "suffix", "written"),
    [
        ("PCM_16", ".flac", "PCM_24"),
        ("PCM_24", ".flac", "PCM_24"),
        ("PCM_32", ".wav", "PCM_32"),
        ("FLOAT", ".wav", "FLOAT"),
    ],
)
def test_no_bits_are_lost_by_default(upscaler, subtype, suffix, written):
    tone(upscaler.folder / "x.wav", subtype=subtype)
    assert upscaler("enhance", "x.wav").returncode == 0
    assert sf.info(upscaler.folder / f"x.upscaled{suffix}").subtype == written


@pytest.mark.slow
def test_what_flac_cannot_hold_becomes_wav_by_default(upscaler):
    tone(upscaler.folder / "nine.wav", channels=9)
    tone(upscaler.folder / "two.wav", channels=2)
    assert upscaler("enhance", "nine.wav").returncode == 0
    assert upscaler("enhance", "two.wav", "-r", 96_001).returncode == 0
    assert sf.info(upscaler.folder / "nine.upscaled.wav").channels == 9
    assert sf.info(upscaler.folder / "two.upscaled.wav").samplerate == 96_001


@pytest.mark.slow
def test_without_a_rate_it_is_the_highest_that_the_format_holds(upscaler, folder):
    done = upscaler("enhance", "in/a.wav", "-o", "{rate}.mp3")
    assert done.returncode == 0, done.stderr
    assert "16000 → 48000" in done.stdout
    assert sf.info(folder / "48000.mp3").samplerate == 48_000
    assert "16000 → 96000" in upscaler("enhance", "in/a.wav", "-o", "a.ogg", "--dry-run").stdout
    (folder / "p.yaml").write_text(PIPELINE.replace("48000", "96000"))
    for words in (("enhance", "in/a.wav", "-r", 96_000), ("run", "p.yaml", "in/a.wav")):
        done = upscaler(*words, "-o", "refused.mp3", "--dry-run")
        assert done.returncode == 1
        assert "refused.mp3 cannot be written: MP3 holds at most 48,000 Hz, not 96,000: add -r 48000" in done.stderr


@pytest.mark.slow
def test_bits_can_be_asked_for(upscaler, folder):
    (folder / "p.yaml").write_text(PIPELINE + "export: {use: wav, bits: 16}\n")
    assert upscaler("run", "p.yaml", "in/a.wav", "-o", "y/").returncode == 0
    assert sf.info(folder / "y" / "a.wav").subtype == "PCM_16"
    assert upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac").returncode == 2  # the bits are WAV's
    assert upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac", "--format", "flac").returncode == 0
    assert sf.info(folder / "y.flac").subtype == "PCM_24"


@pytest.mark.slow
def test_a_pipeline_file_may_name_its_own_files(upscaler, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "p.yaml").write_text(PIPELINE + "input: [../in/a.wav]\noutput: results/\n")
    done = upscaler("run", "sub/p.yaml")
    assert done.returncode == 0, done.stderr
    assert (folder / "sub" / "results" / "a.flac").exists()


def test_json_is_one_object_and_all_else_goes_to_stderr(upscaler, folder):
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--json")
    output = json.loads(done.stdout)
    assert (output["exit_code"], [f["status"] for f in output["files"]]) == (0, ["done", "done"])
    assert output["files"][0]["frames"] == 48_000
    assert output["pipeline"]["target_rate"] == 48_000
    assert "2 done" in done.stderr


@pytest.mark.slow
def test_quiet_says_nothing_and_plain_output_has_no_colour(upscaler, folder):
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--overwrite")
    assert "\x1b" not in done.stdout + done.stderr
    assert re.search(r"a\.flac: [\d.]+x real time, resampled only", done.stderr)


def test_dry_run_writes_nothing(upscaler, folder):
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--dry-run")
    assert done.returncode == 0
    assert "2 would be done" in done.stdout
    assert not (folder / "out").exists()


@pytest.mark.slow
def test_existing_outputs_are_kept_replaced_or_skipped(upscaler, folder):
    assert upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac").returncode == 0
    before = (folder / "y.flac").read_bytes()
    refused = upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac", "-r", "96000")
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert (folder / "y.flac").read_bytes() == before
    skipped = upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac", "--skip-existing")
    assert skipped.returncode == 0
    assert "1 skipped" in skipped.stdout
    assert upscaler("run", "p.yaml", "in/a.wav", "-o", "y.flac", "-r", "96000", "--overwrite").returncode == 0
    assert sf.info(folder / "y.flac").samplerate == 96_000


@pytest.mark.slow
def test_an_output_that_is_the_input_is_refused(upscaler, folder):
    before = (folder / "in" / "a.wav").read_bytes()
    (folder / "link.wav").symlink_to("in/a.wav")
    for target in ("in/a.wav", "in/../in/a.wav", "link.wav"):
        done = upscaler("run", "p.yaml", "in/a.wav", "-o", target, "--overwrite")
        assert done.returncode == 2, done.stderr
        assert "is the input itself" in done.stderr
    assert (folder / "in" / "a.wav").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "p.yaml", "in/a.wav", "--nonsense"], 2, "No such option"),
        (["run", "p.yaml", "in/a.wav", "--set", "chunk.sampels=3"], 2, "did you mean 'samples'"),
        (["run", "p.yaml", "in/a.wav", "-r", "3"], 2, "target_rate"),
        (["run", "p.yaml", "in", "-o", "one.flac"], 2, "one file for 2 inputs"),
        (["run", "p.yaml", "in/a.wav", "-o", "y.xyz"], 2, "no exporter writes '.xyz'"),
        (["run", "p.yaml", "in/a.wav", "-o", "{artist}.wav"], 2, "{stem}"),
        (["run", "p.yaml"], 2, "name at least one input"),
        (["run", "p.yaml", "in/a.wav", "--overwrite", "--skip-existing"], 2, "exclude each other"),
        (["enhance", "in/a.wav", "--preset", "baselin"], 2, "did you mean 'baseline'"),
        (["run", "p.yaml", "in/a.wav", "--device", "cuda"], 2, "no CUDA device"),
        (["run", "none.yaml", "in/a.wav"], 3, "none.yaml: cannot be read"),
        (["run", "bad.yaml", "in/a.wav"], 3, "bad.yaml:2:1: resmapler: unknown key; did you mean 'resampler'?"),
        (["run", "p.yaml", "none.wav"], 4, "none.wav does not exist"),
        (["run", "p.yaml", "in/notes.txt"], 4, "cannot be read"),
        (["run", "p.yaml", "empty"], 4, "no audio file was found"),
        (["run", "p.yaml", "in/a.wav", "-o", "y.flac", "--set", "target_rate=700000"], 1, "655,350"),
    ],
)
def test_exit_codes(upscaler, folder, words, code, message):
    (folder / "bad.yaml").write_text("version: 1\nresmapler: {use: sinc}\n")
    (folder / "empty").mkdir()
    done = upscaler(*words)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_absent_extra_is_exit_5(upscaler, folder, jobs):
    (folder / "site").mkdir()
    (folder / "site" / "soxr.py").write_text("raise ModuleNotFoundError('No module named soxr', name='soxr')")
    upscaler.environment["PYTHONPATH"] = str(folder / "site")
    (folder / "p.yaml").write_text("version: 1\nresampler: {use: soxr}\n")
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--jobs", jobs)
    assert done.returncode == 5, done.stderr
    assert "pip install 'ai-audio-upscaler[soxr]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_one_bad_file_fails_alone(upscaler, folder):
    (folder / "in" / "broken.wav").write_bytes(b"RIFF but not really")
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--json")
    assert done.returncode == 1
    assert sorted(f["status"] for f in json.loads(done.stdout)["files"]) == ["done", "done", "failed"]
    assert not (folder / "out" / "broken.flac").exists()
    nine = tone(folder / "nine" / "nine.wav", channels=9)
    tone(folder / "nine" / "two.wav")
    done = upscaler("run", "p.yaml", nine.parent, "-o", "out9/{stem}.flac")
    assert done.returncode == 1
    assert "8 channels" in done.stderr
    assert (folder / "out9" / "two.flac").exists()


@pytest.mark.slow
def test_truncated_audio_is_decoded_with_a_warning(upscaler, folder):
    path = tone(folder / "long.flac", seconds=5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = upscaler("run", "p.yaml", "long.flac", "-o", "y.flac")
    assert done.returncode == 0
    assert "warning" in done.stderr and "damaged" in done.stderr
    assert 0.3 < sf.info(folder / "y.flac").duration / 5 < 0.7
    refused = upscaler("run", "p.yaml", "long.flac", "-o", "z.flac", "--strict")
    assert refused.returncode == 4
    assert not (folder / "z.flac").exists()


@pytest.mark.slow
def test_two_jobs_give_the_same_bytes_as_one(upscaler, folder):
    for index in range(3):
        tone(folder / "in" / f"c{index}.wav", rate=22_050 + index)
    one, two = (upscaler("run", "p.yaml", "in", "-o", f"out{n}", "--jobs", n) for n in (1, 2))
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    names = sorted(p.relative_to(folder / "out1") for p in (folder / "out1").rglob("*.flac"))
    assert len(names) == 5
    for name in names:
        assert (folder / "out1" / name).read_bytes() == (folder / "out2" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_end_by_force_leaves_no_half_file(upscaler, folder, number, code, jobs):
    source = tone(folder / "long" / "x.wav", rate=8_000, seconds=1_500)
    tone(folder / "long" / "y.wav", rate=8_000, seconds=1_500)
    before = hashlib.sha256(source.read_bytes()).digest()
    words = ("enhance", "long", "-o", "out", "--preset", "baseline", "--jobs", jobs, "-r", 192_000)
    process = upscaler.start(*words, start_new_session=True)
    begun = time.monotonic()
    while not (folder / "out").exists() and time.monotonic() - begun < 60:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    time.sleep(1.0)
    assert not [p for p in (folder / "out").rglob("*") if p.is_file()], err
    assert hashlib.sha256(source.read_bytes()).digest() == before
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_file(upscaler, folder):
    tone(folder / "long.wav", rate=48_000, seconds=20)

    def small():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = upscaler("enhance", "long.wav", "-o", "out/y.wav", preexec_fn=small)
    assert done.returncode == 1, done.stderr
    assert "out/y.wav" in done.stderr
    assert not [p for p in (folder / "out").rglob("*") if p.is_file()]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_names_that_are_no_text_and_odd_ones_work(upscaler, folder):
    for name in (b"caf\xe9.wav", "日本語 ♫.wav".encode(), b"-dash.wav", b"a{b}.wav", b"[brackets].wav"):
        tone(folder / "x.wav").rename(folder / os.fsdecode(name))
    done = upscaler("run", "p.yaml", ".", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["files"]) == 7
    assert upscaler("run", "p.yaml", "-o", "single/", "--", "-dash.wav", "[brackets].wav").returncode == 0


@pytest.mark.slow
def test_two_inputs_of_one_name_are_not_mixed_up(upscaler, folder):
    tone(folder / "in" / "a.aiff")
    done = upscaler("run", "p.yaml", "in", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (folder / "out").rglob("*.flac")} == {"a.wav.flac", "a.aiff.flac", "b.flac"}
    assert upscaler("run", "p.yaml", "in", "-o", "all/{name}.flac").returncode == 0
    assert {p.name for p in (folder / "all").rglob("*.flac")} == {"a.wav.flac", "a.aiff.flac", "b.flac.flac"}


@pytest.mark.slow
def test_no_limit_leaves_the_limiter_out(upscaler):
    t = np.arange(48_000) / 48_000
    sf.write(upscaler.folder / "hot.wav", 1.2 * np.sin(2 * np.pi * 997 * t), 48_000, subtype="FLOAT")
    assert upscaler("enhance", "hot.wav", "-o", "limited.wav", "--headroom", "limit").returncode == 0
    assert upscaler("enhance", "hot.wav", "-o", "loud.wav", "--no-limit").returncode == 0
    limited, loud = (np.abs(sf.read(upscaler.folder / name)[0]).max() for name in ("limited.wav", "loud.wav"))
    assert limited <= 10 ** (-1 / 20) * 1.0001
    assert 1.19 < loud < 1.21
    clipped = upscaler("enhance", "hot.wav", "-o", "hard.flac", "--no-limit", "--json")
    assert json.loads(clipped.stdout)["files"][0]["clipped"] > 1_000
    assert "clipped" in clipped.stderr


@pytest.mark.slow
def test_what_the_limiter_did_is_told(upscaler):
    """A tone is 6.02 dB over the ceiling in one second of four: that far down, for that second and some ramps."""
    t = np.arange(4 * 96_000) / 96_000
    level = 10 ** (-1 / 20) * np.where((t >= 1) & (t < 2), 2.0, 0.5)
    sf.write(upscaler.folder / "hot.wav", level * np.sin(2 * np.pi * 997 * t), 96_000, subtype="FLOAT")
    sf.write(upscaler.folder / "calm.wav", 0.5 * np.sin(2 * np.pi * 997 * t), 96_000, subtype="FLOAT")
    done = upscaler("enhance", "hot.wav", "calm.wav", "-o", "out/", "--json", "--headroom", "limit")
    hot, calm = json.loads(done.stdout)["files"]
    assert 6.0 < hot["limited_db"] < 6.2
    assert 0.25 < hot["limited_share"] < 0.35
    assert (calm["limited_db"], calm["limited_share"]) == (0, 0)
    assert (sf.read(upscaler.folder / "out" / "calm.wav")[0] == sf.read(upscaler.folder / "calm.wav")[0]).all()
    share = f"{100 * hot['limited_share']:.1f} % of the time"
    assert f"hot.wav: the limiter lowered peaks by up to {hot['limited_db']:.1f} dB, {share}" in done.stderr
    assert "calm.wav: the limiter" not in done.stderr
