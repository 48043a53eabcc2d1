"""`--report`, `--log`, the table and the sentence after Ctrl-C: what was decided, and that nothing of it is lost."""

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from rich.console import Console

from upscaler_core import OutputError, UsageError
from upscaler_core.cli.journal import journal
from upscaler_core.cli.processing import _file
from upscaler_core.cli.report import csv_text, refuse_report, write_report
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.cli.run_record import Run
from upscaler_core.cli.summary import print_summary, table_lines
from upscaler_core.jobs.events import Failed, Skipped
from upscaler_core.pipeline.events import Finished, SegmentResult

PIPELINE = (
    "version: 1\ntarget_rate: 48000\nmodels: {noise: {use: tilted-noise}}\nchunk: {samples: 9600, overlap: 480}\n"
)
NAMES = ["=1+1.wav", "<script>alert(1)</script>.wav", 'quo"te, and comma.wav', "-dash.wav", "@at.wav", "caf\udce9.wav"]
DONE = Finished(
    Path("x.wav"), Path("out/x.flac"), 16_000, 96_000, 2, 12.0, cutoff_hz=7_800.0, confidence=0.9, added=True,
    segments=(SegmentResult(0.0, 7_800.0, 0.9, added=True, cause="lossy", codec="MP3"),), limited_db=2.31,
    limited_share=0.004, elapsed=4.0, warnings=("the file is damaged: a hole",),
)  # fmt: skip


def run_of(results, names=None):
    facts = {
        "version": 1,
        "exit_code": 0,
        "program": "p",
        "ended": "today",
        "pipeline": {"a": "</pre><script>"},
        "files": [_file(result, False) for result in results],
    }
    return Run(results, names or {result.source: str(result.source) for result in results}, facts, 9.0, len(results))


def odd_names():
    results = [replace(DONE, source=Path(name), target=Path("out") / name) for name in NAMES]
    return run_of([*results, Failed(Path("+plus.wav"), "+plus.wav cannot be read: <b>no</b>", 4)])


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained_and_escapes_every_name(tmp_path):
    write_report(tmp_path / "r.html", odd_names())
    text = (tmp_path / "r.html").read_text("utf-8")
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "b>no", "img", "iframe"} and "url(" not in text and "@import" not in text
    links = [value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert links == ["data:,"]
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    for name in NAMES[:5]:
        assert name in page.text
    assert "restored above 7.8 kHz" in page.text and "as a lossy codec leaves it, probably MP3 (90 % sure)" in page.text
    assert "cannot be read: <b>no</b>" in page.text and "the file is damaged: a hole" in page.text
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags


def test_no_cell_of_the_table_is_a_formula(tmp_path):
    write_report(tmp_path / "r.csv", odd_names())
    text = (tmp_path / "r.csv").read_bytes().decode("utf-8")
    assert text.startswith("\ufefffile,status,decision,")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["file"] for row in rows] == [
        "'=1+1.wav", NAMES[1], NAMES[2], "'-dash.wav", "'@at.wav", "caf\\udce9.wav", "'+plus.wav",
    ]  # fmt: skip
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert rows[0]["decision"] == "restored above 7.8 kHz" and float(rows[0]["cutoff_hz"]) == 7_800
    assert rows[0]["parts"] == "0 s: 7800 Hz, 90 %, restored" and float(rows[0]["limited_db"]) == 2.31
    assert (rows[-1]["status"], rows[-1]["failure"]) == ("failed", "cannot be read: <b>no</b>")


def test_the_json_is_that_of_the_command_line(tmp_path):
    run = odd_names()
    write_report(tmp_path / "r.json", run)
    read = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert read == json.loads(json.dumps(run.summary))


def test_control_characters_of_names_are_shown_and_not_obeyed(tmp_path):
    source = Path("a\x1b[31m\nb.wav")
    for suffix in (".html", ".csv"):
        write_report(tmp_path / f"r{suffix}", run_of([replace(DONE, source=source)]))
        text = (tmp_path / f"r{suffix}").read_text("utf-8")
        assert "\x1b" not in text and r"a\x1b[31m\nb.wav" in text


def test_a_report_replaces_reports_only(tmp_path):
    for suffix in (".html", ".csv", ".json"):
        path = tmp_path / f"new/r{suffix}"
        refuse_report(path)
        write_report(path, odd_names())
        refuse_report(path)
        mine = tmp_path / f"mine{suffix}"
        mine.write_text("file,cutoff_hz\n")
        with pytest.raises(UsageError, match="there is another file of that name"):
            refuse_report(mine)
    with pytest.raises(UsageError, match=r"must end in \.html, \.csv or \.json"):
        refuse_report(tmp_path / "r.txt")
    with pytest.raises(OutputError, match="cannot be written"):
        refuse_report(tmp_path / "mine.csv" / "r.csv")


def test_a_skipped_file_has_what_the_manifest_knows():
    skipped = Skipped(Path("x.wav"), Path("out/x.flac"), DONE)
    facts = _file(skipped, False)
    assert facts == {**json.loads(json.dumps(_file(DONE, False))), "status": "skipped"} | {
        name: facts[name] for name in ("segments", "warnings", "not_carried")
    }  # fmt: skip
    assert "restored above 7.8 kHz" in csv_text(run_of([skipped]))
    assert _file(Skipped(Path("x.wav"), Path("y")), False) == {"status": "skipped", "source": "x.wav", "target": "y"}


@pytest.mark.parametrize("width", [40, 80, 200])
def test_tables_keep_names_whole(width):
    rows = [
        {"file": "call.wav", "what was done": "restored above 3.4 kHz", "Hz": "8000 → 96000", "length": "12.0 s"},
        {"file": "n" * 90 + ".wav", "what was done": "failed, see below"},
    ]
    lines = [line.plain for line in table_lines(rows, width, ("Hz", "length"))]
    assert any("n" * 90 + ".wav" in line for line in lines)
    assert all(len(line) <= max(width, 94) for line in lines)
    assert ("Hz" in lines[0]) == (width >= 80)  # one long name does not take the room of all columns


def test_the_summary_says_the_folder_once_and_ends_with_notes_and_failures(capsys):
    counter = ResultCounter(keep_results=True)
    sources = [Path(f"in/choir/take {n}.wav") for n in range(3)]
    for source in sources[:2]:
        counter(replace(DONE, source=source, target=Path("out/choir") / f"{source.stem}.flac"))
    counter(Failed(sources[2], f"{sources[2]} cannot be read: it is empty", 4))
    print_summary(Console(), counter, 8.0, names={source: f"choir/{source.name}" for source in sources})
    out = capsys.readouterr().out
    assert out.count("out/choir") == 0 or out.count("out/") == 1
    assert out.index("Notes:") < out.index("choir/take 1.wav: the file is damaged") < out.index("Failed:")
    assert "  choir/take 2.wav: cannot be read: it is empty\n2 done, 1 failed; 24.0 s of audio in 8.0 s (3.0x" in out
    assert "the limiter lowered peaks by up to 2.3 dB, 0.4 % of the time" in out


@pytest.fixture
def folder(upscaler):
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 8_000))
    for name, samples in zip(("a.wav", "b.wav", "=c.wav"), noise, strict=True):
        (upscaler.folder / "in").mkdir(exist_ok=True)
        sf.write(upscaler.folder / "in" / name, samples, 16_000)
    (upscaler.folder / "p.yaml").write_text(PIPELINE)
    return upscaler.folder


@pytest.mark.slow
def test_a_report_is_complete_after_resume_too(upscaler, folder):
    words = ("run", "p.yaml", "in", "-o", "out", "--json", "--report", "r.json", "--log", "l.txt")
    first = upscaler(*words)
    assert first.returncode == 0, first.stderr
    refused = upscaler(*words)
    assert refused.returncode == 1
    assert "out/a.flac exists: add --resume to continue an interrupted run, --overwrite" in refused.stderr
    (folder / "out" / "b.flac").unlink()
    again = upscaler(*words, "--resume", "--report", "r.csv")
    assert again.returncode == 0, again.stderr
    before, after = ({f["source"]: f for f in json.loads(done.stdout)["files"]} for done in (first, again))
    assert {Path(source).name: file["status"] for source, file in after.items()} == {
        "=c.wav": "skipped", "a.wav": "skipped", "b.wav": "done",
    }  # fmt: skip
    for source, file in before.items():
        if after[source]["status"] == "skipped":
            assert after[source] == {**file, "status": "skipped"}
    rows = list(csv.DictReader(io.StringIO((folder / "r.csv").read_text("utf-8-sig"))))
    assert {row["decision"] for row in rows} == {"restored above 8.0 kHz"} and len(rows) == 3
    log = (folder / "l.txt").read_text("utf-8")
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO +in/a\.wav: restored above 8\.0 kHz, because", log, re.M
    )
    assert "in/a.wav: skipped, because it was done in an earlier run, and nothing changed: out/a.flac" in log
    assert "ERROR   in/a.wav: failed: out/a.flac exists" in log


@pytest.mark.slow
def test_after_ctrl_c_a_sentence_says_what_is_done_and_how_to_go_on(upscaler, folder):
    for index in range(3):
        t = np.arange(8_000 * (1 if index == 0 else 1_500))
        (folder / "long").mkdir(exist_ok=True)
        sf.write(folder / "long" / f"{index}.wav", 0.1 * np.sin(t), 8_000)
    words = ("enhance", "long", "-o", "out", "--preset", "baseline", "-r", 192_000, "--report", "r.csv")
    process = upscaler.start(*words, start_new_session=True)
    begun = time.monotonic()
    while not (folder / "out" / ".upscaler.jsonl").exists() and time.monotonic() - begun < 300:
        time.sleep(0.05)
    time.sleep(0.5)  # the result follows its record
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    sentence = "Stopped. 1 of 3 files are done; run the same command with --resume to continue."
    assert err.splitlines()[-1] == f"upscaler: {sentence}"
    assert len(list(csv.DictReader(io.StringIO((folder / "r.csv").read_text("utf-8-sig"))))) == 1


def test_the_log_says_nothing_where_nobody_asked_for_it(capsys):
    with journal(0, None, print) as logger:
        logger.error("a.wav: failed: it is no audio")  # the progress display says so
    assert capsys.readouterr() == ("", "")


def test_the_first_sign_of_life_comes_before_heavy_imports():
    heavy = "{'typer', 'rich', 'torch', 'numpy'}"
    code = f"import sys; from upscaler_core.cli import main; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
