"""The options that `run` and `enhance` have in common, and what they do to the pipeline."""

import inspect
import json
from dataclasses import fields

import pytest
import soundfile as sf
import torch

from upscaler_core import discover
from upscaler_core.cli.options import ProcessingOptions, with_processing_options
from upscaler_core.cli.run import enhance, run
from upscaler_core.pipeline.assembly import assemble
from upscaler_core.pipeline.loading import load
from upscaler_core.pipeline.yaml_document import Setting


@pytest.mark.parametrize(("command", "own"), [(run, ["pipeline", "inputs"]), (enhance, ["inputs", "preset"])])
def test_a_command_takes_its_own_parameters_and_every_option(command, own):
    parameters = inspect.signature(command).parameters
    assert list(parameters) == [*own, *(field.name for field in fields(ProcessingOptions))]
    assert "options" not in parameters


def test_what_is_typed_arrives_as_one_record():
    received = []

    @with_processing_options
    def command(word: str, *, options: ProcessingOptions) -> None:
        received.append((word, options))

    typed = {**vars(ProcessingOptions()), "jobs": 3, "settings": ["chunk.samples=48000"], "rate": "96k", "bits": "16"}
    command(word="x", **typed)
    ((word, options),) = received
    assert (word, options) == ("x", ProcessingOptions(jobs=3, settings=["chunk.samples=48000"], rate="96k", bits="16"))
    assert options.pipeline_settings == [
        Setting("chunk.samples", "48000", "--set chunk.samples=48000"),
        Setting("target_rate", "96000", "--rate 96k"),
        Setting("export.bits", "16", "--bits 16"),
    ]
    assert ProcessingOptions().pipeline_settings == []


def test_help_lists_the_same_options_in_both(upscaler):
    texts = [upscaler(command, "--help").stdout.partition("--output")[2] for command in ("run", "enhance")]
    assert texts[0] == texts[1] and "--quiet" in texts[0]


FINISHERS = """
from upscaler_core import Component, Options, Plan, hookimpl

class Fade:
    def __init__(self, options):
        pass

    def plan(self, rate):
        return Plan(lambda windows, start: windows / 2, 4_800, 4_800, receptive_field=0)

class Ceiling(Fade):
    limits = True

@hookimpl
def upscaler_finishers():
    return [Component("fade", f"{__name__}:Fade"), Component("ceiling", f"{__name__}:Ceiling")]
"""


@pytest.mark.slow
def test_no_limit_leaves_out_every_finisher_that_says_it_limits(upscaler):
    (upscaler.folder / "mine.py").write_text(FINISHERS)
    finish = "finish: [{use: ceiling}, {use: fade}, {use: limiter}, {use: dsp/limiter}]"
    (upscaler.folder / "p.yaml").write_text(f"version: 1\nplugins: [mine.py]\n{finish}\n")
    sf.write(upscaler.folder / "x.wav", torch.zeros(4_800).numpy(), 48_000)
    words = ["run", "p.yaml", "x.wav", "--allow-local-plugins", "--dry-run", "--json"]
    for more, headroom in ([], "auto"), (["--no-limit"], "none"):
        done = upscaler(*words, *more)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["pipeline"]["headroom"] == headroom
    spec = load(upscaler.folder / "p.yaml", discover(), ["headroom=none"], allow_local_plugins=True)
    (fade,) = assemble(spec, discover().add_files(spec.plugins)).finish
    assert type(fade).__name__ == "Fade"
