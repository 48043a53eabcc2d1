"""`--cutoff` and `--cutoffs` of `enhance` and `run`, as a user types them; and the summary's words about cut-offs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from rich.console import Console

from upscaler_core.cli import words as words_module
from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.cli.summary import print_summary
from upscaler_core.pipeline.events import Finished, SegmentResult

PIPELINE = (
    "version: 1\ntarget_rate: 48000\nmodels: {noise: {use: tilted-noise}}\nchunk: {samples: 9600, overlap: 480}\n"
)


@pytest.fixture
def folder(upscaler):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 8_000))
    for name, samples in zip(("a.wav", "b.wav"), noise, strict=True):
        (upscaler.folder / "in").mkdir(exist_ok=True)
        sf.write(upscaler.folder / "in" / name, samples, 16_000)
    (upscaler.folder / "p.yaml").write_text(PIPELINE)
    return upscaler.folder


@pytest.mark.parametrize(("typed", "setting"), [("4k", "4000.0"), ("auto", "null")])
def test_the_cutoff_is_a_setting_of_the_pipeline(typed, setting):
    (found,) = ProcessingOptions(cutoff=typed).pipeline_settings
    assert (found.key, found.value) == ("cutoff_hz", setting)


@pytest.mark.slow
def test_one_cutoff_for_all_and_auto_for_what_the_file_fixes(upscaler, folder):
    (folder / "p.yaml").write_text(PIPELINE + "cutoff_hz: 5000\n")
    for typed, hertz in (("4.2k", [4200, 4200]), ("auto", [8000, 8000]), (None, [5000, 5000])):
        words = [] if typed is None else ["--cutoff", typed]
        done = upscaler("run", "p.yaml", "in", "-o", "out", "--overwrite", "--json", *words)
        assert done.returncode == 0, done.stderr
        assert [file["cutoff_hz"] for file in json.loads(done.stdout)["files"]] == hertz


def test_faults_are_told_before_anything_is_done(upscaler, folder):
    (folder / "list.csv").write_text("file,cutoff_hz\na.wav,4kk\n")
    for words, sentence in (
        (
            ["--cutoff", "high"],
            "upscaler: --cutoff: 'high' is no cut-off: write 'auto', or 100 to 384000 Hz as 4000 or 4k\n",
        ),
        (
            ["--cutoffs", "list.csv"],
            "upscaler: list.csv:2:7: '4kk' is no cut-off: write 'auto', or 100 to 384000 Hz as",
        ),
    ):
        done = upscaler("run", "p.yaml", "in", "-o", "out", *words)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(sentence)
    assert not (folder / "out").exists()


@pytest.mark.slow
def test_a_list_decides_for_the_files_that_it_names_and_resume_follows_it(upscaler, folder):
    def run(*words):
        done = upscaler("run", "p.yaml", "in", "-o", "out", "--cutoffs", "list.csv", "--json", "--cutoff", "6k", *words)
        assert done.returncode == 0, done.stderr
        return [(file["status"], file.get("cutoff_hz")) for file in json.loads(done.stdout)["files"]], done.stderr

    lines = ["file,cutoff_hz,start", "a.wav,4000,0", "a.wav,7000,0.25", "c.wav,4000,"]
    (folder / "list.csv").write_text("\n".join(lines))
    results, messages = run("--jobs", "2")
    assert results == [("done", 4000), ("done", 6000)]
    assert "warning: list.csv:4:1: no input is 'c.wav', so this row changes nothing" in messages
    assert "restored above 4.0 kHz" in messages
    assert run("--resume")[0] == [("skipped", 4000), ("skipped", 6000)]
    (folder / "list.csv").write_text("\n".join([*lines[:2], "b.wav,auto,"]))
    assert run("--resume")[0] == [("done", 4000), ("done", 8000)]
    (folder / "list.csv").write_text("\n".join([*lines[:2], "b.wav,auto,", "a.wav,7000,3"]))
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--cutoffs", "list.csv", "--dry-run", "--overwrite")
    assert done.returncode == 1
    assert "in/a.wav ends at 0.500 s: the list of cut-offs has a part that begins at 3 s" in done.stderr


DONE = Finished(Path("x.wav"), Path("x.flac"), 44_100, 96_000, 2, 10.0, cutoff_hz=8_100.0)
PARTS = tuple(
    SegmentResult(start, hertz, 0.9, hertz < 19_000) for start, hertz in ((0, 3_400.0), (4, 22_050.0), (9, 7_000.0))
)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (replace(DONE, added=True), "restored above 8.1 kHz"),
        (replace(DONE, added=True, segments=PARTS), "restored in 2 of 3 parts"),
        (replace(DONE, cutoff_hz=22_050.0, note="full band (to 22.1 kHz)"), "not needed (already reaches 22.1 kHz)"),
        (replace(DONE, note="silence"), "silent: nothing to restore"),
        (replace(DONE, cutoff_hz=None, note="no model"), "resampled only"),
        (replace(DONE, cutoff_hz=None), "measured first, then restored if needed"),
    ],
)
def test_the_table_says_what_models_did(result, words):
    assert words_module.decision_of(result) == words


def test_a_low_confidence_is_told_with_how_to_decide_otherwise():
    alone = "not sure (41 %): to decide yourself, add --cutoff 8000 (or --cutoff 22050 to leave it alone)"
    assert words_module.doubt_about([(8_000.0, 0.41)], 1, 44_100) == alone
    assert (
        words_module.doubt_about([(22_050.0, 0.5)], 1, 44_100)
        == "not sure (50 %) that it has no edge: to decide yourself, add --cutoff HZ"
    )
    assert words_module.doubt_about([(8_000.0, 0.41)], 3, 44_100).startswith("not sure about 1 of 3 parts (41 %): ")
    assert words_module.doubt_about([], 3, 44_100) == ""


def test_no_cutoff_leaves_a_source_of_a_low_rate_alone():
    words = words_module.doubt_about([(5_000.0, 0.41)], 1, 16_000)
    assert words == "not sure (41 %): to decide yourself, add --cutoff HZ, such as --cutoff 5000"


def test_the_summary_ends_with_doubts(capsys):
    unsure = replace(DONE, added=True, segments=(SegmentResult(0, 8_000.0, 0.41, added=True, sure=False),))
    counter = ResultCounter(keep_results=True)
    counter(unsure)
    print_summary(Console(), counter, 1.0, names={unsure.source: "x.wav"})
    lines = capsys.readouterr().out.splitlines()
    assert (
        " ".join(lines[lines.index("Notes:") + 1 : -1]).split()
        == f"x.wav: {words_module.doubt_about([(8_000.0, 0.41)], 1, 44_100)}".split()
    )
    assert lines[-1].startswith("1 done")
