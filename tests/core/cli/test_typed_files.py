"""What users type about files and formats, through the real command line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf


@pytest.fixture
def folder(tmp_path):
    tone(tmp_path / "s.wav")
    return tmp_path


def tone(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.3 * np.sin(np.arange(8_000) / 6), 16_000)


WRONG = [
    ("run s.wav", 2, "s.wav is audio, and `upscaler run` wants a pipeline file first: type `upscaler enhance s.wav`"),
    ("run .", 2, ". is a folder"),
    ("enhance", 2, "name at least one input"),
    ("enhance s.wav -o -", 2, "standard output, is not written yet"),
    ("enhance -", 2, "standard input, is not read yet"),
    ("enhance s.wav s.wav -o x.opus", 2, "x.opus: no exporter writes '.opus'; choose from .flac"),
    ("enhance s.wav -o x.mp4", 2, "video is not written, only its sound"),
    ("enhance s.wav --bits 99", 2, "--bits 99: for the format 'wav' it must be 'auto', 16, 24, 32 or 'float'"),
    ("enhance s.wav -o x.mp3 --bits 16", 2, "--bits 16: the format 'mp3' has no option 'bits'; choose from bitrate"),
    ("enhance s.wav -o x.mp3 --set export.bits=16", 2, "--set export.bits=16: the format 'mp3' has no option 'bits'"),
    ("enhance s.wav -o x.ogg --bitrate 320k", 2, "--bitrate 320k: the format 'ogg' has no option 'bitrate'"),
    ("enhance s.wav -o x.mp3 --bitrate fast", 2, "--bitrate fast: write the bit rate in kbps, as 320 or 320k"),
    ("enhance s.wav --format acc", 2, "--format acc: choose from flac, mp3, ogg, wav"),
    ("enhance s.wav --format wav -o x.flac", 2, "--format wav: the output x.flac ends in .flac"),
    ("enhance s.wav -r 192x", 2, "--rate 192x: write the rate in Hz, as 192000 or 192k"),
    ("enhance s.wav -r 96", 2, "--rate 96: target_rate: must be greater than or equal to 1000"),
    ("enhance s.wav --suffix a/b", 2, "--suffix a/b: it is a part of a name"),
    ("enhance --input-list none.txt", 2, "--input-list none.txt: it cannot be read: No such file"),
    ("enhance s.wav --preset p.yaml", 2, "to use a file, type `upscaler run p.yaml`"),
    ("enhance s.wav --set resampler.nope=1", 2, "--set resampler.nope=1: resampler.nope: unknown key"),
    ("enhance s.wav --preset whitepaper --set fusion=null", 2, "--set fusion=null: models: 2 models need a fusion"),
    ("run wav.yaml s.wav -o x.flac", 2, "x.flac is written by 'flac', and bits is an option of 'wav'"),
]


@pytest.mark.parametrize(("line", "code", "message"), WRONG)
def test_what_is_wrong_is_told_in_the_words_that_were_typed(upscaler, folder, line, code, message):
    (folder / "wav.yaml").write_text("version: 1\nexport: {use: wav, bits: 16}\n")
    before = set(folder.iterdir())
    done = upscaler(*line.split())
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert ".yaml:" not in done.stderr and "Traceback" not in done.stderr
    assert set(folder.iterdir()) == before


def test_a_fault_in_what_was_typed_is_told_before_torch_is_loaded(upscaler, folder):
    (folder / "site" / "torch").mkdir(parents=True)
    (folder / "site" / "torch" / "__init__.py").write_text("raise SystemExit('torch was loaded')")
    upscaler.environment["PYTHONPATH"] = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])
    for line in (
        "s.wav -o x.m4a",
        "s.wav --bits 12",
        "none*.wav -o out",
        "s.wav -o s.wav",
        "s.wav -o x.flac --quality 1",
    ):
        done = upscaler("enhance", *line.split())
        assert "torch was loaded" not in done.stderr and done.returncode in (2, 4), done.stderr


def test_a_wrong_default_is_told_with_its_file(upscaler, folder):
    upscaler.environment["UPSCALER_CONFIG"] = str(folder / "c.toml")
    (folder / "c.toml").write_text("[enhance]\nbist = 16\n")
    done = upscaler("enhance", "s.wav")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{folder / 'c.toml'}: enhance.bist: unknown key; did you mean 'bits'?" in done.stderr


@pytest.mark.slow
def test_defaults_and_presets_of_ones_own(upscaler, folder):
    upscaler.environment["UPSCALER_CONFIG"] = str(folder / "own" / "c.toml")
    (folder / "own").mkdir()
    text = '# mine\n[enhance]\npreset = "mine"\nbits = 16\nrate = "44.1k"\nset = ["seed=3"]\nkeep-times = true\n'
    (folder / "own" / "c.toml").write_text(text)
    (folder / "own" / "mine.yaml").write_text("version: 1\nresampler: {use: poly-sinc-hq, dsp_quality: fast}\n")
    os.utime(folder / "s.wav", ns=(10**18, 10**18))
    done = upscaler("enhance", "s.wav", "-o", "x.wav", "--json")
    assert done.returncode == 0, done.stderr
    pipeline = json.loads(done.stdout)["pipeline"]
    assert (pipeline["seed"], pipeline["target_rate"], pipeline["resampler"]["dsp_quality"]) == (3, 44_100, "fast")
    assert (sf.info(folder / "x.wav").samplerate, sf.info(folder / "x.wav").subtype) == (44_100, "PCM_16")
    assert (folder / "x.wav").stat().st_mtime_ns == 10**18
    refused = upscaler("enhance", "s.wav", "-o", "x.mp3")
    assert "--bits 16: the format 'mp3' has no option 'bits'" in refused.stderr
    assert f"(your defaults in {folder / 'own' / 'c.toml'} are in force: preset, bits" in refused.stderr
    assert upscaler("plugins", "--disable", "tune").returncode == 0
    assert (folder / "own" / "c.toml").read_text() == f'disabled_plugins = ["tune"]\n{text}'


@pytest.mark.slow
def test_options_become_the_exporters_options(upscaler, folder):
    (folder / "list.txt").write_text("# what to do\ns.wav\n\n")
    words = ("enhance", "--preset", "baseline", "--input-list", "list.txt", "-r", "44.1kHz")
    assert upscaler(*words, "--format", "mp3", "--bitrate", "128k", "--suffix", "-lo").returncode == 0
    info = sf.info(folder / "s-lo.mp3")
    assert (info.samplerate, info.format) == (44_100, "MP3")
    assert (folder / "s-lo.mp3").stat().st_size * 8 / info.duration == pytest.approx(128_000, rel=0.3)
    assert upscaler(*words, "--bits", "float", "-o", "out/").returncode == 0
    assert sf.info(folder / "out" / "s.wav").subtype == "FLOAT"
    done = upscaler(*words, "--set", "resampler.use=soxr", "-o", "y.flac", "--bits", "16", "--dither", "none")
    assert done.returncode == 0, done.stderr
    assert sf.info(folder / "y.flac").subtype == "PCM_16"


@pytest.mark.slow
def test_a_pipeline_files_folder_is_never_a_pattern_or_a_template(upscaler, folder):
    for name in ("Album [2020]", "A {stem}"):
        tone(folder / name / "x.wav")
        (folder / name / "p.yaml").write_text('version: 1\ninput: ["*.wav"]\noutput: done/\ntarget_rate: 48000\n')
        done = upscaler("run", f"{name}/p.yaml")
        assert done.returncode == 0, done.stderr
        assert (folder / name / "done" / "x.flac").exists()
    upscaler.environment["HOME"] = str(folder / "home")
    (folder / "t.yaml").write_text('version: 1\ninput: [s.wav]\noutput: "~/hires/"\n')
    assert upscaler("run", "t.yaml").returncode == 0
    assert (folder / "home" / "hires" / "s.flac").exists() and not (folder / "~").exists()


@pytest.mark.slow
def test_results_are_no_inputs_of_a_second_run(upscaler, folder):
    tone(folder / "m" / "a.wav")
    for output in ("m/hi/{stem}.flac", "m/{stem}-hi.flac", None):
        words = ["enhance", "m", "--preset", "baseline", *(["-o", output] if output else [])]
        assert upscaler(*words).returncode == 0
        before = set((folder / "m").rglob("*"))
        again = upscaler(*words, "--skip-existing")
        assert (again.returncode, set((folder / "m").rglob("*"))) == (0, before)
        assert "left out, because" in again.stderr and "1 skipped" in again.stdout
    named = sorted(str(path.relative_to(folder)) for path in (folder / "m").glob("*.*[!l]"))
    content = {path: (folder / path).read_bytes() for path in named}
    skipped = upscaler("enhance", *named, "--preset", "baseline", "--skip-existing")
    assert skipped.returncode == 0, skipped.stderr
    assert "2 files were left out, because they were made by this program: m/a-hi.flac" in skipped.stderr
    refused = upscaler("enhance", *named, "--preset", "baseline", "--overwrite")
    assert refused.returncode == 2 and "m/a.upscaled.flac is an input" in refused.stderr
    assert {path: (folder / path).read_bytes() for path in named} == content


@pytest.mark.slow
def test_of_two_runs_into_one_output_one_wins(upscaler, folder):
    tone(folder / "other.wav")
    words = [("enhance", name, "--preset", "baseline", "-o", "out.flac") for name in ("s.wav", "other.wav")]
    runs = [upscaler.start(*typed) for typed in words]
    errors = [run.communicate(timeout=300)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], errors
    assert any("out.flac exists" in error for error in errors)


@pytest.mark.slow
def test_files_of_one_name_do_not_stop_a_tree(upscaler, folder):
    for name in ("grandma.wav", "grandma.flac", "other.wav"):
        tone(folder / "in" / name)
    done = upscaler("enhance", "in", "-o", "out", "--preset", "baseline")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in Path(folder / "out").glob("*.flac")} == {
        "grandma.wav.flac",
        "grandma.flac.flac",
        "other.flac",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_with_a_name_is_refused_and_not_waited_for(upscaler):
    os.mkfifo(upscaler.folder / "a.wav")
    done = upscaler("enhance", "a.wav", "-o", "out.flac", "--preset", "baseline", timeout=60)
    assert done.returncode == 4 and "not a regular file" in done.stderr
