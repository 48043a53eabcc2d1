"""Which input goes to which output."""

import json
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile as sf

from upscaler_core import InputError, UsageError, discover
from upscaler_core.jobs.manifest import Fingerprint
from upscaler_core.jobs.planning import MADE, InputRules, output_settings, plan_jobs
from upscaler_core.pipeline.spec import PipelineSpec


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.wav", "in/b.mp3", "in/deep/a.flac"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def plan(inputs, output, registry, **fields):
    plan = plan_jobs(inputs, output, PipelineSpec(version=1, **fields), registry)
    return [(job.source.as_posix(), job.target.as_posix(), job.suffix) for job in plan.jobs], plan.folder


MP3 = {"export": {"use": "mp3"}}


@pytest.mark.parametrize(
    ("inputs", "output", "fields", "expected", "folder"),
    [
        (["in/a.wav"], None, {}, [("in/a.upscaled", None)], None),
        (["in/a.wav"], None, MP3, [("in/a.upscaled.mp3", ".mp3")], None),
        (["in/a.wav"], "x.ogg", {}, [("x.ogg", ".ogg")], None),
        (["in/a.wav"], "x.ogg", MP3, [("x.ogg", ".ogg")], None),
        (["in/a.wav"], "Vol. 2", {}, [("Vol. 2/a", None)], "Vol. 2"),
        (["in/a.wav", "in/b.mp3"], "v1.0", {}, [("v1.0/a", None), ("v1.0/b", None)], "v1.0"),
        (["in/a.wav"], "out/{stem}/", {}, [("out/a/a", None)], "out"),
        (["in"], "{name}", {}, [("a.wav", ".wav"), ("b.mp3", ".mp3"), ("deep/a.flac", ".flac")], "."),
        (
            ["in"],
            "no {{1}} {stem}.ogg",
            {},
            [(f"{n}.ogg", ".ogg") for n in ("no {1} a", "no {1} b", "deep/no {1} a")],
            ".",
        ),
        (["in/a.wav"], "out", {}, [("out/a", None)], "out"),
        (["in/a.wav"], "v1.0/", {}, [("v1.0/a", None)], "v1.0"),
        (["in/a.wav"], "in", {}, [("in/a", None)], "in"),
        (["in/a.wav"], "out/", MP3, [("out/a.mp3", ".mp3")], "out"),
        (["in"], "out", {}, [("out/a", None), ("out/b", None), ("out/deep/a", None)], "out"),
        (["in"], "v1.0", {}, [("v1.0/a", None), ("v1.0/b", None), ("v1.0/deep/a", None)], "v1.0"),
        (["in/a.wav"], "out/{stem}.wav", {}, [("out/a.wav", ".wav")], "out"),
        (["in/a.wav"], "out/{stem}", {}, [("out/a", None)], "out"),
        (["in/a.wav"], "out/{stem}", MP3, [("out/a.mp3", ".mp3")], "out"),
        (["in"], "{name}.ogg", {}, [("a.wav.ogg", ".ogg"), ("b.mp3.ogg", ".ogg"), ("deep/a.flac.ogg", ".ogg")], "."),
        (["in/a.wav"], "out/{stem}_{rate}.mp3", {}, [("out/a_48000.mp3", ".mp3")], "out"),
        (["in/a.wav"], "out/{stem}_{rate}", MP3, [("out/a_48000.mp3", ".mp3")], "out"),
        (["in/a.wav"], "out/{stem}_{rate}", {}, [("out/a_96000", None)], "out"),
        (["in/a.wav"], "{rate}/{stem}.mp3", {"target_rate": 44_100}, [("44100/a.mp3", ".mp3")], "."),
        (["in/a.wav", "in/a.wav"], "out", {}, [("out/a", None)], "out"),
    ],
)
def test_outputs(registry, inputs, output, fields, expected, folder):
    jobs, where = plan(inputs, output, registry, **fields)
    assert [job[1:] for job in jobs] == expected
    assert where == (None if folder is None else Path(folder))


def test_names_are_below_the_input_that_was_named(registry):
    jobs = plan_jobs(["in", "in/deep"], "{name}.ogg", PipelineSpec(version=1), registry).jobs
    assert [job.name for job in jobs] == ["a.wav", "b.mp3", "deep/a.flac", "a.flac"]
    Path("C").mkdir()
    Path("C/a.wav").write_bytes(b"x")
    jobs = plan_jobs(["in/a.wav", "C/a.wav"], "out", PipelineSpec(version=1), registry).jobs
    assert [job.name for job in jobs] == ["in/a.wav", "C/a.wav"]  # the manifest has a record by each name


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["in"], "x.flac", "x.flac is one file for 3 inputs"),
        (
            ["in/a.wav", "in/b.mp3"],
            "{rate}.flac",
            "in/a.wav and in/b.mp3 would share the output 96000.flac: put {stem}",
        ),
        (["in/a.wav"], "x.typo", "x.typo: no exporter writes '.typo'; choose from"),
        (["in/a.wav", "in/b.mp3"], "x.m4a", "x.m4a: no exporter writes '.m4a'; choose from .flac"),
        (["in/a.wav"], "x.mp4", "x.mp4: video is not written, only its sound: choose from .flac"),
        (["in/a.wav"], "x.flca", "did you mean '.flac'?"),
        (["in/a.wav"], "-", "'-', standard output, is not written yet"),
        (["in/a.wav"], "", "the output has no name"),
        (["in/a.wav"], "in/a.wav/", "in/a.wav is a file: leave the slash out"),
        (["in/a.wav"], "in/a.wav", "in/a.wav is the input itself"),
        (["in/a.wav", "in/b.mp3"], "in/deep/../{stem}.mp3", "in/deep/../b.mp3 is the input itself"),
        (["in"], "{title}.flac", "an output template knows {stem}, {name} and {rate}"),
        (["in"], "{0}.flac", "an output template knows"),
        (["in"], "{stem.flac", "an output template knows"),
    ],
)
def test_what_does_not_fit_is_refused(registry, inputs, output, message):
    with pytest.raises(UsageError) as caught:
        plan(inputs, output, registry)
    assert message in str(caught.value)


NAMES = [
    (["grandma.mp3", "grandma.wav", "other.wav"], ["grandma.mp3", "grandma.wav", "other"]),
    (["A/x.wav", "C/x.wav"], ["A - x", "C - x"]),
    (["A/x.wav", "C/x.wav", "C/x.mp3"], ["A - x", "C - x", "x.mp3"]),
    (["A/x.wav", "b/A/x.wav"], ["x (1)", "x (2)"]),
    (["Track.wav", "track.wav"], ["Track (1)", "track (2)"]),
    (["A/\u00e9.wav", "C/e\u0301.wav"], ["A - \u00e9", "C - e\u0301"]),
    (["song.mp3.wav"], ["song.mp3"]),
]


@pytest.mark.parametrize(("sources", "stems"), NAMES)
@pytest.mark.parametrize("output", ["out", "out/{stem}.flac"])
def test_files_of_one_name_get_longer_names_and_only_they(registry, sources, stems, output):
    for source in sources:
        Path(source).parent.mkdir(parents=True, exist_ok=True)
        Path(source).write_bytes(b"x")
    suffix = ".flac" if "{" in output else ""
    assert [job[1] for job in plan(sources, output, registry)[0]] == [f"out/{stem}{suffix}" for stem in stems]


def test_the_advice_of_a_template_with_names_works_for_equal_names(registry):
    Path("C").mkdir()
    Path("C/a.wav").write_bytes(b"x")
    jobs, _ = plan(["in/a.wav", "C/a.wav"], "{name}.flac", registry)
    assert [job[1] for job in jobs] == ["in - a.wav.flac", "C - a.wav.flac"]


def test_a_folder_with_braces_or_brackets_is_no_template(registry):
    Path("B {x} [1]").mkdir()
    for output in ("B {x} [1]", "B {x} [1]/"):
        assert plan(["in/a.wav"], output, registry) == ([("in/a.wav", "B {x} [1]/a", None)], Path("B {x} [1]"))
    jobs, folder = plan(["in/a.wav"], "B {x} [1]/{stem}.ogg", registry)
    assert (jobs[0][1], folder) == ("B {x} [1]/a.ogg", Path("B {x} [1]"))
    rules = InputRules(folder=Path("in"), output_folder=Path("B {x} [1]"))
    there = plan_jobs(["*.wav"], "done/", PipelineSpec(version=1), registry, rules).jobs
    assert [(job.source.as_posix(), job.target.as_posix()) for job in there] == [("in/a.wav", "B {x} [1]/done/a")]


def test_a_tilde_in_an_output_is_the_home_folder(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert plan(["in/a.wav"], "~/hires/", registry)[1] == tmp_path / "hires"


def made(path):
    sf.write(path, np.zeros(100), 8_000)
    file = mutagen.File(path)
    file["enhanced_by"] = "ai-audio-upscaler 0.2.0; restored above 7.8 kHz; restore"
    file.save()


def test_what_this_program_made_is_left_out_and_told(registry):
    Path("in/a.upscaled.flac").write_bytes(b"by its name")
    made("in/hires.flac")
    sf.write("in/recorded.ogg", np.zeros(100), 8_000)
    print_of = vars(Fingerprint.of(Path("in/recorded.ogg")))
    record = {"name": "x", "target": "recorded.ogg", "pipeline": "of any", "source": print_of, "output": print_of}
    Path("in/.upscaler.jsonl").write_text(json.dumps(record) + "\n{half")
    for inputs in (
        ["in"],
        ["in/*", "in/deep"],
        [*map(str, sorted(Path("in").glob("[a-z]*.*"))), "in/deep"],
    ):
        planned = plan_jobs(inputs, "out", PipelineSpec(version=1), registry)
        assert [job.source.as_posix() for job in planned.jobs] == ["in/a.wav", "in/b.mp3", "in/deep/a.flac"]
        names = ["in/a.upscaled.flac", "in/hires.flac", "in/recorded.ogg"]
        assert planned.left_out == {MADE: [Path(name) for name in names]}
    with pytest.raises(UsageError, match=r"in/hires.flac was made by this program.*--reprocess"):
        plan_jobs(["in/hires.flac"], "out", PipelineSpec(version=1), registry)
    again = plan_jobs(["in"], "out", PipelineSpec(version=1), registry, InputRules(reprocess=True))
    assert len(again.jobs) == 6
    Path("in/recorded.ogg").write_bytes(b"another recording")
    assert Path("in/recorded.ogg") in [
        job.source for job in plan_jobs(["in"], "out", PipelineSpec(version=1), registry).jobs
    ]


def test_a_mark_of_ones_own_counts_beside_its_source(registry):
    for name in ("in/a-hi.flac", "in/lone-hi.flac"):
        Path(name).write_bytes(b"x")
    jobs = plan_jobs(["in"], None, PipelineSpec(version=1), registry, InputRules(mark="-hi")).jobs
    assert [(job.source.name, job.target.name) for job in jobs][:3] == [
        ("a.wav", "a-hi"),
        ("b.mp3", "b-hi"),
        ("lone-hi.flac", "lone-hi-hi"),
    ]
    with pytest.raises(UsageError, match=r"--suffix -hi: the output x\.flac says all of the name"):
        plan_jobs(["in/a.wav"], "x.flac", PipelineSpec(version=1), registry, InputRules(mark="-hi"))


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_no_file_that_is_an_input_is_written_to_under_any_name(registry, link):
    Path("out").mkdir()
    getattr(Path("out/a.mp3"), link)(Path("in/b.mp3").absolute())
    for inputs in (["in/a.wav", "in/b.mp3"], ["in"]):
        with pytest.raises(
            UsageError, match=r"out/a\.mp3 is an input, and would be replaced by the output of in/a.wav"
        ):
            plan(inputs, "out/{stem}.mp3", registry)
    Path("in/a.upscaled.mp3").write_bytes(b"made, and named")
    spec, named = PipelineSpec(version=1, **MP3), ["in/a.wav", "in/a.upscaled.mp3"]
    with pytest.raises(UsageError, match=r"in/a\.upscaled\.mp3 is an input"):
        plan_jobs(named, None, spec, registry, InputRules(overwrite=True))
    assert len(plan_jobs(named, None, spec, registry).jobs) == 1  # it is left out, and nothing is replaced
    assert len(plan_jobs(["in"], None, spec, registry, InputRules(overwrite=True)).jobs) == 3


@pytest.mark.parametrize(
    ("export", "output", "message"),
    [
        ({"bits": 16}, "x.mp3", "bits: unknown key; choose from bitrate, quality"),
        ({"bits": 12}, "x.flac", "bits: must be 'auto', 16 or 24"),
        ({"quality": 3}, "out", "quality: unknown key"),
        ({"use": "wav", "bits": 16}, "x.flac", "x.flac is written by 'flac', and bits is an option of 'wav'"),
    ],
)
def test_options_that_the_exporter_of_the_suffix_does_not_take_are_refused(registry, export, output, message):
    with pytest.raises(UsageError) as caught:
        plan(["in/a.wav"], output, registry, export=export)
    assert message in str(caught.value)


def test_options_without_an_exporter_go_to_the_one_of_the_suffix(registry):
    for output in ("x.wav", "x.flac", "out"):
        assert plan(["in/a.wav"], output, registry, export={"bits": 16})
    assert plan(["in/a.wav"], "out", registry, export={"bits": "float"})  # WAV takes it


def test_no_input_at_all(registry):
    Path("empty").mkdir()
    with pytest.raises(InputError, match=r"no audio file was found in empty, x\*\.wav"):
        plan(["empty", "x*.wav"], "out", registry)


def test_an_exporter_that_lacks_a_program_does_not_stop_the_plan(registry, monkeypatch):
    """It fails file by file. Only a template that names the rate has to ask it."""

    def build(*_):
        raise AssertionError("not needed")

    monkeypatch.setattr(type(registry), "build", build)
    plan(["in"], "out/{stem}.mp3", registry)
    plan(["in"], "out/{stem}_{rate}.mp3", registry, target_rate=48_000)
    with pytest.raises(AssertionError):
        plan(["in"], "out/{stem}_{rate}.mp3", registry)


def test_settings_hold_a_rate_only_where_the_file_names_one():
    assert output_settings(PipelineSpec(version=1)).rate is None
    settings = output_settings(PipelineSpec(version=1, target_rate=96_000, export={"use": "flac", "bits": 16}))
    assert (settings.rate, settings.exporter, settings.options, settings.overwrite) == (
        96_000,
        "flac",
        {"bits": 16},
        False,
    )
