"""Which input goes to which output."""

from pathlib import Path

import pytest

from upscaler_core import InputError, UsageError, discover
from upscaler_core.jobs.planning import output_settings, plan_jobs
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
        (["in/a.wav"], "x.typo", {}, [("x.typo", ".typo")], None),
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


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["in"], "x.flac", "x.flac is one file for 3 inputs"),
        (["in/a.wav", "in/deep/a.flac"], "out", "in/a.wav and in/deep/a.flac would share the output out/a"),
        (["in"], "{title}.flac", "an output template knows {stem}, {name} and {rate}"),
        (["in"], "{0}.flac", "an output template knows"),
        (["in"], "{stem.flac", "an output template knows"),
    ],
)
def test_what_does_not_fit_is_refused(registry, inputs, output, message):
    with pytest.raises(UsageError) as caught:
        plan(inputs, output, registry)
    assert message in str(caught.value)


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
