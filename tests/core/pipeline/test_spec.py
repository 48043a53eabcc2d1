"""The pipeline file: every fault at once, each with its place and what to write instead."""

import json
import pickle
from types import ModuleType
from typing import ClassVar

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import model_validator

from upscaler_core import Component, Registry, SpecError, UpscalerError, discover, hookimpl
from upscaler_core.jobs.manifest import pipeline_hash
from upscaler_core.pipeline.assembly import assemble
from upscaler_core.pipeline.loading import check, load, with_checked_options
from upscaler_core.pipeline.schema import pipeline_schema
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.pipeline.yaml_document import parse, read
from upscaler_core.testing import fakes
from upscaler_core.testing.fakes import GainOptions

WHOLE = """\
version: 1
target_rate: 48000
resampler: {use: nearest}
detector: {use: half}
models:
  a: {use: mirror, level: 0.2}
  b: {use: hiss}
fusion: {use: mean}
stereo: mid-side
chunk: {samples: 9600, overlap: 480}
cutoff_hz: 1e4
finish: [{use: gain, gain_db: -3}]
export: {use: raw}
"""


def faults(text, registry, settings=()):
    with pytest.raises(SpecError) as caught:
        check(parse(text, "p.yaml"), registry, settings)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_file_becomes_a_pipeline(fake_registry):
    spec = check(parse(WHOLE), fake_registry)
    assert spec.cutoff_hz == 10_000
    pipeline = assemble(spec, fake_registry)
    assert [type(model).__name__ for model in pipeline.models.values()] == ["Mirror", "Hiss"]
    assert (pipeline.stereo, pipeline.chunk.samples, len(pipeline.finish)) == ("mid-side", 9600, 1)


class CountedOptions(GainOptions):
    """Options that count how often they are validated."""

    validations: ClassVar[int] = 0

    @model_validator(mode="after")
    def _count(self):
        type(self).validations += 1
        return self


def counted_registry():
    counted = Component("counted", "upscaler_core.testing.fakes:Gain", CountedOptions)
    plugin = ModuleType("counts")
    plugin.upscaler_finishers = hookimpl(lambda: [counted])
    return Registry(points=(), plugins={"fakes": fakes.plugin, "counts": plugin})


def test_options_are_validated_once_and_the_checked_ones_are_built_and_hashed():
    registry, former = counted_registry(), CountedOptions.validations
    spec = check(
        parse("version: 1\nresampler: {use: nearest}\ndetector: {use: half}\nfinish: [{use: counted, gain_db: -3}]"),
        registry,
    )
    pipeline_hash(spec, registry, "cpu")
    assert assemble(spec, registry).finish[0].factor == pytest.approx(10 ** (-3 / 20))
    assert CountedOptions.validations == former + 1
    assert spec.finish[0].options == CountedOptions.model_construct(gain_db=-3)
    assert spec.finish[0].written == {"gain_db": -3}


def test_another_process_checks_the_options_against_what_it_has():
    registry = counted_registry()
    spec = check(
        parse("version: 1\nresampler: {use: nearest}\ndetector: {use: half}\nfinish: [{use: counted, gain_db: -3}]"),
        registry,
    )
    sent = pickle.loads(pickle.dumps(spec))
    assert sent.model_dump() == spec.model_dump() and sent.finish[0].options == {"gain_db": -3}
    assert with_checked_options(sent, registry).finish[0].options == spec.finish[0].options


def test_without_a_resampler_the_default_is_taken_and_does_not_count_as_written(fake_registry):
    spec = check(parse("version: 1"), discover())
    assert spec.resampler.use == "poly-sinc-hq" and spec.resampler.options.dsp_quality == "quality"
    assert spec.model_dump(exclude_unset=True) == {"version": 1}
    assert faults("version: 1", fake_registry) == [
        "p.yaml:1:1: resampler.use: there is no resampler 'poly-sinc-hq'; choose from nearest",
        "p.yaml:1:1: detector.use: there is no detector 'edge-net'; choose from half",
    ]


def test_a_complete_reference_shows_every_option():
    spec = check(parse("version: 1"), discover())
    assert spec.resampler.complete().model_dump() == {"use": "poly-sinc-hq", "dsp_quality": "quality"}


def test_every_fault_at_once_with_its_place(fake_registry):
    text = """\
version: 1
target_rate: 500
resampler: {use: naerest}
models:
  a: {use: mirror, levle: 0.2}
  b: {use: hiss, level: 2}
stereo: both
chunk: {sampels: 9600}
finish:
  - {use: gain, gain_db: loud}
  - {use: echo}
fusoin: {use: mean}
"""
    assert faults(text, fake_registry) == [
        "p.yaml:2:14: target_rate: must be greater than or equal to 1000, not 500",
        "p.yaml:3:18: resampler.use: there is no resampler 'naerest'; did you mean 'nearest'?",
        "p.yaml:5:20: models.a.levle: unknown key; did you mean 'level'?",
        "p.yaml:6:25: models.b.level: must be less than or equal to 1, not 2",
        "p.yaml:7:9: stereo: must be 'independent' or 'mid-side', not 'both'",
        "p.yaml:8:9: chunk.sampels: unknown key; did you mean 'samples'?",
        "p.yaml:10:26: finish.0.gain_db: must be a valid number, unable to parse string as a number, not 'loud'",
        "p.yaml:11:11: finish.1.use: there is no finisher 'echo'; choose from gain",
        "p.yaml:12:1: fusoin: unknown key; did you mean 'fusion'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nseed: 1\nseed: 2\n", "p.yaml:3:1: seed: the key stands here twice, first at 2:1; remove one"),
        ("version: 2\n", "p.yaml:1:10: version: must be 1, not 2"),
        (
            "seed: 1\nresampler: {use: nearest}\ndetector: {use: half}\n",
            "p.yaml:1:1: the key 'version' is missing here",
        ),
        ("version: 1\nresampler: {}\n", "p.yaml:2:12: resampler: the key 'use' is missing here"),
        ("version: 1\nresampler: hold\n", "p.yaml:2:12: resampler: "),
        ("- version: 1\n", "p.yaml:1:1: a pipeline file is a mapping of keys, beginning with 'version: 1'"),
        ("", "p.yaml:1:1: a pipeline file is a mapping of keys, beginning with 'version: 1'"),
        ("version: [1\n", "p.yaml:2:1: not valid YAML: "),
        ("version: 1\n\tseed: 1\n", "p.yaml:2:1: not valid YAML: "),
        ("version: 1\nno: 1\n", "p.yaml:2:1: no: a key must be plain text; put it in quotes"),
        ("version: !!python/object/apply:os.system ['true']\n", "p.yaml:1:10: not valid YAML: could not determine"),
        (
            "version: 1\nmodels: {a: {use: mirror}, b: {use: hiss}}\nresampler: {use: nearest}\ndetector: {use: half}\n",
            "p.yaml:2:9: models: 2 models need a fusion",
        ),
        ("version: 1\nx: &a [*a]\n", "p.yaml: its aliases write out to more than"),
        ("version: 1\nseed: " + "[" * 5000, "p.yaml: not valid YAML: it nests too deeply"),
        ("version: 1\x00\n", "p.yaml: not valid YAML: "),
    ],
)
def test_each_fault_is_said(fake_registry, text, said):
    assert any(fault.startswith(said) for fault in faults(text, fake_registry)), faults(text, fake_registry)


def test_an_alias_bomb_is_refused_at_once(fake_registry):
    lines = ["version: 1", "a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert faults("\n".join(lines), fake_registry) == ["p.yaml: its aliases write out to more than 10,000 nodes"]


def test_files_that_are_none(fake_registry, tmp_path):
    cases = {"binary": bytes(range(256)), "huge": b"# " + b"x" * (2 << 20), "latin": "k\xe4se: 1".encode("latin-1")}
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SpecError, match=name):
            read(path)
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(SpecError, match="cannot be read"):
            load(path, fake_registry)


def test_settings_change_values_and_are_checked(fake_registry):
    spec = check(
        parse(WHOLE), fake_registry, ["chunk.samples=4096", "models.a.level=0.5", "finish.0.gain_db=-9", "seed=7"]
    )
    assert (spec.chunk.samples, spec.models["a"].options.level, spec.seed) == (4096, 0.5, 7)
    assert spec.finish[0].options.gain_db == -9
    assert (
        check(
            parse("version: 1\nresampler: {use: nearest}\ndetector: {use: half}"), fake_registry, ["chunk.batch=2"]
        ).chunk.batch
        == 2
    )
    said = faults(
        WHOLE, fake_registry, ["chunk.samples=1", "chnk.samples=5", "seed", "finish.5.gain_db=1", "models.a.x=1"]
    )
    assert said[0] == "--set seed: write it as key=value, such as chunk.samples=48000"
    assert said[1] == "--set finish.5.gain_db=1: there is no finish.5.gain_db to set"
    assert "--set chunk.samples=1: chunk.samples: must be greater than or equal to 1024, not 1" in said
    assert "--set chnk.samples=5: chnk: unknown key; did you mean 'chunk'?" in said or any("chnk" in s for s in said)
    assert any(s.startswith("--set models.a.x=1: models.a.x: unknown key") for s in said)


def test_a_setting_that_chooses_another_component_drops_the_options_of_the_former_one():
    text = "version: 1\nresampler: {use: poly-sinc-hq, dsp_quality: fast}\nfinish: [{use: limiter, ceiling_db: -3}]"
    spec = check(parse(text), discover(), ["resampler.quality=HQ", "resampler.use=soxr"])
    assert (spec.resampler.use, spec.resampler.written) == ("soxr", {"quality": "HQ"})
    same = check(parse(text), discover(), ["resampler.use=poly-sinc-hq"])
    assert same.resampler.written == {"dsp_quality": "fast"}


def test_an_option_of_the_default_component_can_be_set_where_the_file_names_none():
    spec = check(parse("version: 1"), discover(), ["resampler.dsp_quality=exact"])
    assert (spec.resampler.use, spec.resampler.options.dsp_quality) == ("poly-sinc-hq", "exact")


def test_an_exporter_may_have_options_and_no_name():
    spec = check(parse("version: 1\nexport: {bits: 16}"), discover())
    assert (spec.export.use, spec.export.options) == ("", {"bits": 16})
    assert pipeline_hash(spec, discover(), "cpu") != pipeline_hash(
        check(parse("version: 1"), discover()), discover(), "cpu"
    )
    assert jsonschema.Draft202012Validator(pipeline_schema(discover())).is_valid({"version": 1, "export": {"bits": 16}})
    assert pickle.loads(pickle.dumps(spec)).export.options == {"bits": 16}


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.sampled_from([*PipelineSpec.model_fields, "use", "x"]) | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


def spec_or_sentence(text, registry):
    """Anything but a spec or an expected error that says something is a failure."""
    try:
        return isinstance(check(parse(text), registry), PipelineSpec)
    except UpscalerError as error:
        return bool(str(error))


@settings(max_examples=150, deadline=None)
@given(documents)
def test_any_data_is_a_spec_or_a_sentence(fake_registry, data):
    assert spec_or_sentence(yaml.safe_dump(data, allow_unicode=True), fake_registry)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_is_a_spec_or_a_sentence(fake_registry, text):
    assert spec_or_sentence(text, fake_registry)


def test_the_schema_knows_every_component_and_agrees_with_check(fake_registry):
    schema = pipeline_schema(fake_registry)
    text = json.dumps(schema)
    for name in ("nearest", "mirror", "hiss", "louder", "mean", "cross", "gain", "raw"):
        assert f'"const": "{name}"' in text
    mirror = next(c for c in schema["properties"]["models"]["additionalProperties"]["oneOf"] if c["title"] == "mirror")
    assert mirror["properties"]["level"]["maximum"] == 1
    assert mirror["properties"]["rate"]["unit"] == "Hz"
    assert "ComponentRef" not in schema["$defs"]
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(yaml.safe_load(WHOLE) | {"cutoff_hz": 1e4})
    for wrong in (
        {"seed": 1},
        {"version": 1, "sed": 1},
        {"version": 1, "models": {"a": {"use": "mirror", "level": 2}}},
    ):
        assert not validator.is_valid(wrong)
