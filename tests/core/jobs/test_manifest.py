"""The record of a run: what is written, what is read back, and what a damaged file costs."""

import os
from pathlib import Path

import pytest
import torch

from upscaler_core import OutputError, UsageError, discover
from upscaler_core.jobs import manifest
from upscaler_core.jobs.manifest import EVERYTHING, Fingerprint, Manifest, Record, Shard, pipeline_hash
from upscaler_core.models import Card, write_checkpoint
from upscaler_core.pipeline.loading import load


def record(folder: Path, name: str) -> Record:
    """A source beside the folder, and its output in it."""
    source, output = folder.parent / "in" / name, (folder / name).with_suffix(".flac")
    for path in (source, output):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(f"{path.parent.name} of {name}"))
    return Record(name, output, Fingerprint.of(source), Fingerprint.of(output))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_records_are_read_back_by_name(folder):
    manifest = Manifest(folder, "hash")
    assert manifest.read() == {}
    records = [record(folder, name) for name in ("a.wav", "deep/é\n.wav", os.fsdecode(b"caf\xe9.wav"))]
    for one in records:
        manifest.append(one)
    assert Manifest(folder, "hash").read() == {one.name: one for one in records}
    assert Manifest(folder, "another pipeline's").read() == {}
    assert manifest.path.read_bytes().count(b"\n") == 3


def test_the_last_record_of_a_file_counts(folder):
    manifest, first = Manifest(folder, "hash"), record(folder, "a.wav")
    manifest.append(first)
    (folder / "a.flac").write_bytes(b"made anew")
    second = Record("a.wav", first.target, first.source, Fingerprint.of(first.target))
    manifest.append(second)
    assert manifest.read() == {"a.wav": second}


@pytest.mark.parametrize("length", [1, 40, -2])
def test_half_a_line_at_the_end_costs_that_line_alone(folder, length):
    manifest, (first, second, third) = Manifest(folder, "hash"), [record(folder, f"{n}.wav") for n in "abc"]
    manifest.append(first)
    complete = manifest.path.read_bytes()
    manifest.append(second)
    line = manifest.path.read_bytes()[len(complete) :]
    manifest.path.write_bytes(complete + line[:length])
    assert manifest.read() == {"a.wav": first}
    manifest.append(third)
    assert manifest.read() == {"a.wav": first, "c.wav": third}
    assert manifest.path.read_bytes().startswith(complete)


def test_a_line_whose_end_alone_is_missing_counts(folder):
    manifest, (first, second) = Manifest(folder, "hash"), [record(folder, f"{n}.wav") for n in "ab"]
    manifest.append(first)
    manifest.path.write_bytes(manifest.path.read_bytes().rstrip(b"\n"))
    manifest.append(second)
    assert manifest.read() == {"a.wav": first, "b.wav": second}


@pytest.mark.parametrize(
    "line", [b"[]", b"3", b"{}", b'{"pipeline": "hash"}', b"\xff", b'{"pipeline": "hash", "name": 3}']
)
def test_lines_of_another_form_are_ignored(folder, line):
    manifest, first = Manifest(folder, "hash"), record(folder, "a.wav")
    manifest.path.write_bytes(line + b"\n")
    manifest.append(first)
    assert manifest.read() == {"a.wav": first}


def test_two_shards_write_two_files_and_each_reads_its_own_names_from_both(folder):
    shards = [Shard(1, 2), Shard(2, 2)]
    records = [record(folder, f"{n}.wav") for n in range(20)]
    for shard in shards:
        for one in records:
            if one.name in shard:
                Manifest(folder, "hash", shard).append(one)
    assert sorted(path.name for path in folder.glob(".*")) == [".upscaler-1-of-2.jsonl", ".upscaler-2-of-2.jsonl"]
    first, second = (Manifest(folder, "hash", shard).read() for shard in shards)
    assert first and second and not first.keys() & second.keys()
    assert {**first, **second} == Manifest(folder, "hash").read() == {one.name: one for one in records}
    thirds = [
        Manifest(folder, "hash", Shard(index, 3)).read() for index in (1, 2, 3)
    ]  # another division of the same run
    assert sum(map(len, thirds)) == len(records)


def test_a_record_holds_while_source_and_output_are_the_same(folder):
    one = record(folder, "a.wav")
    source, output = folder.parent / "in" / "a.wav", folder / "a.flac"
    assert one.holds(source, output)
    os.utime(source, (1, 1))
    assert one.holds(source, output), "the content decides where the time has changed"
    assert not one.holds(source, folder / "a.wav")
    data = output.read_bytes()
    output.write_bytes(data[:-1] + b"?")
    os.utime(output, (1, 1))
    assert not one.holds(source, output)
    output.unlink()
    assert not one.holds(source, output)
    output.mkdir()
    assert not one.holds(source, output)


def test_what_cannot_be_written_or_read_is_a_sentence(folder):
    manifest, one = Manifest(folder, "hash"), record(folder, "a.wav")
    manifest.path.mkdir()
    with pytest.raises(OutputError, match=r"\.upscaler\.jsonl cannot be written: Is a directory"):
        manifest.append(one)
    with pytest.raises(OutputError, match=r"\.upscaler\.jsonl cannot be read: Is a directory"):
        manifest.read()


def test_shards_are_written_as_i_of_n():
    assert Shard.parse("3/100") == Shard(3, 100)
    assert Shard.parse("1/1") == EVERYTHING
    for wrong in ("", "3", "0/3", "4/3", "-1/3", "1/0", "a/b", "1/2/3", "1.0/2"):
        with pytest.raises(UsageError, match="write I/N"):
            Shard.parse(wrong)


def test_a_file_stays_in_its_shard_whatever_other_files_there_are():
    names = [f"album {a}/{t:02} – é.flac" for a in range(100) for t in range(10)] + [os.fsdecode(b"caf\xe9.wav")]
    shards = [Shard(index, 7) for index in range(1, 8)]
    sizes = [sum(name in shard for name in names) for shard in shards]
    assert sum(sizes) == len(names) and min(sizes) > 100
    assert "album 0/00 – é.flac" in Shard(3, 7)


def test_the_pipeline_hash_is_of_all_that_decides_the_bytes(tmp_path, monkeypatch):
    def hashed(text="", device="cpu"):
        (tmp_path / "p.yaml").write_text("version: 1\n" + text)
        return pipeline_hash(load(tmp_path / "p.yaml", discover()), discover(), device)

    model = "models: {m: {use: waveform-unet, checkpoint: w.safetensors, base_channels: 16}}\n"
    card = Card(component="waveform-unet", rate=48_000)
    write_checkpoint(tmp_path / "w.safetensors", {"x": torch.zeros(3)}, card)
    plain, first = hashed(), hashed(model)
    assert plain == hashed("output: elsewhere/\ninput: [a.wav]\nresampler: {use: poly-sinc-hq}\n")
    assert first == hashed(model)
    write_checkpoint(tmp_path / "w.safetensors", {"x": torch.ones(3)}, card)
    others = [
        hashed(model),
        hashed("target_rate: 48000\n"),
        hashed("target_rate: 96000\n"),  # asked for, and so it is refused where a format lacks it
        hashed("resampler: {use: poly-sinc-hq, dsp_quality: fast}\n"),
        hashed("finish: [{use: limiter}]\n"),
        hashed("seed: 1\n"),
        hashed(device="cuda"),
    ]
    monkeypatch.setattr(manifest, "version", lambda name: "0.0")
    others.append(hashed())
    assert len({plain, first, *others}) == 2 + len(others)
