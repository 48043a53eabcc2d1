"""The exporter as a user meets it: files written by the toolkit, read back by other programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf
import torch
from mutagen.oggopus import OggOpus
from torch import Tensor
from upscaler_core import AudioInfo, MissingDependency, OutputError, Pipeline, discover
from upscaler_core.files import open_recording
from upscaler_core.plugins import Picture
from upscaler_core.testing import contract_tests
from upscaler_core.testing.command_line import Upscaler

from upscaler_opus import ogg

RATE = 48_000


@contract_tests("opus", kind="exporter")
def test_contract(check):
    check()


def tones(channels: int, seconds: float = 1.0, rate: int = RATE) -> Tensor:
    """A tone of its own in each channel; low, so that the fourth may be a bass channel."""
    n = torch.arange(round(seconds * rate)) / rate
    return torch.stack([0.1 * torch.sin(2 * torch.pi * (60 + 15 * k) * n) for k in range(channels)])


def music(seconds: float = 5.0) -> Tensor:
    """Noise whose level goes up and down: stereo that a variable bit rate has something to vary for."""
    noise = torch.randn(2, round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    level = torch.sin(2 * torch.pi * torch.arange(noise.shape[-1]) / RATE).clamp(min=0) ** 4
    return 0.1 * noise * level


def write(path: Path, x: Tensor, rate: int = RATE, source: AudioInfo | None = None, **options: object) -> Path:
    with discover().exporter("opus", **options).open(path, rate, len(x), source) as sink:
        for block in x.split(10_007, dim=-1):
            sink.write(block)
    return path


def read(path: Path) -> Tensor:
    with open_recording(path, discover()) as source:
        return torch.cat(list(source.blocks(65_536)), -1)


def packets(path: Path) -> list[int]:
    """Sizes of the audio packets, bytes."""
    with path.open("rb") as file:
        lacing = b"".join(page.lacing for page in list(ogg.read(file))[2:])
    sizes, size = [], 0
    for value in lacing:
        size += value
        if value < 255:
            sizes.append(size)
            size = 0
    return sizes


def kbps(path: Path, seconds: float = 5.0) -> float:
    return sum(packets(path)) * 8 / seconds / 1000


# ------------------------------------------------------------------------------------------------------ audio


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_channel_comes_back_in_its_place(channels: int, tmp_path: Path) -> None:
    x = tones(channels)
    y = read(write(tmp_path / "x.opus", x))
    assert y.shape == x.shape
    for written, decoded in zip(x, y, strict=True):
        assert 10 * torch.log10((decoded - written).square().mean() / written.square().mean()) < -15


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("length", [1, 959, 12_345])
@pytest.mark.parametrize("application", ["audio", "voip", "lowdelay"])
def test_rate_and_length_are_kept_to_the_sample(rate: int, length: int, application: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.opus", tones(1, 2, rate)[:, :length], rate, application=application)
    info = sf.info(path)
    assert (info.samplerate, info.frames) == (rate, length)


def test_without_delay_a_click_stays_where_it_was(tmp_path: Path) -> None:
    x = torch.zeros(1, RATE)
    x[0, 20_000] = 0.9
    assert int(read(write(tmp_path / "x.opus", x, kbps_a_channel=255)).abs().argmax()) == 20_000


def test_samples_beyond_full_scale_are_clamped_and_counted(tmp_path: Path) -> None:
    x = tones(2)
    x[:, 1_000:1_010] = 3.0
    sink = discover().exporter("opus").open(tmp_path / "x.opus", RATE, 2)
    with sink:
        sink.write(x)
    assert sink.clipped == 20
    assert read(tmp_path / "x.opus").abs().max() < 2


# ---------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("target", [12, 64, 255])
def test_a_constant_bit_rate_is_constant_and_the_one_asked_for(target: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.opus", music(), mode="cbr", kbps_a_channel=target)
    assert len(set(packets(path))) == 1
    assert kbps(path) == pytest.approx(2 * target, rel=0.01)


def test_variable_rates_vary_and_the_constrained_one_less(tmp_path: Path) -> None:
    free, bound = (packets(write(tmp_path / f"{mode}.opus", music(), mode=mode)) for mode in ("vbr", "cvbr"))
    assert max(free) > 2 * min(free)
    assert max(bound) < max(free)


def test_application_and_complexity_reach_the_encoder(tmp_path: Path) -> None:
    settings = [{}, {"application": "voip"}, {"application": "lowdelay"}, {"complexity": 0}]
    files = [write(tmp_path / f"{k}.opus", music(1.0), **one).read_bytes() for k, one in enumerate(settings)]
    assert len(set(files)) == len(files)


# ----------------------------------------------------------------------------------------------------- stream


def test_serial_numbers_are_repeatable_and_tell_recordings_apart(tmp_path: Path) -> None:
    first, again = (write(tmp_path / f"{k}.opus", music(1.0)).read_bytes() for k in "ab")
    other = write(tmp_path / "c.opus", tones(2)).read_bytes()
    assert first == again
    assert first[14:18] != other[14:18]


def test_another_program_finds_no_fault_in_any_page(tmp_path: Path) -> None:
    long = {"lyrics": ["la " * 100_000]}  # over several pages
    path = write(tmp_path / "x.opus", music(1.0), source=AudioInfo(RATE, 2, None, "", tags=long))
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", path, "-map", "0:a", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_tags_and_cover_travel(tmp_path: Path) -> None:
    cover = Picture("image/jpeg", 3, "Hülle", b"\xff\xd8\xff" + os.urandom(100_000))
    tags = {"title": ["Ö = ü"], "artist": ["One", "Two"], "tracknumber": ["3/12"], "mood": ["calm\nand more"]}
    write(tmp_path / "first.opus", music(1.0), source=AudioInfo(RATE, 2, None, "", tags=tags, pictures=[cover]))
    Pipeline(discover().resampler("linear"), RATE).write(tmp_path / "first.opus", tmp_path / "second.opus")
    with open_recording(tmp_path / "second.opus", discover()) as source:
        read = {name: list(values) for name, values in source.info.tags.items()}
        assert read.pop("enhanced_by")  # every output says what made it
        assert read == tags
        assert list(source.info.pictures) == [cover]
    file = OggOpus(tmp_path / "second.opus")
    assert (file["tracknumber"], file["tracktotal"]) == (["3"], ["12"])


# ----------------------------------------------------------------------------------------------- command line


def test_the_suffix_picks_the_exporter_and_its_highest_rate(project: Upscaler) -> None:
    done = project("enhance", "speech.flac", "--preset", "baseline", "-o", "x.opus")
    assert done.returncode == 0, done.stderr
    info = sf.info(project.folder / "x.opus")
    assert (info.samplerate, info.subtype) == (48_000, "OPUS")


@pytest.mark.parametrize(("rate", "nearest"), [(96_000, 48_000), (44_100, 48_000), (22_050, 24_000), (11_025, 12_000)])
def test_other_rates_are_refused_with_the_nearest(rate: int, nearest: int, project: Upscaler) -> None:
    done = project("enhance", "speech.flac", "--preset", "baseline", "-r", rate, "-o", "x.opus")
    assert done.returncode == 1
    assert f"not {rate:,}: add -r {nearest}" in " ".join(done.stderr.split())
    assert not (project.folder / "x.opus").exists()


def test_nine_channels_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="1 to 8 channels, not 9: write WAV instead"):
        write(tmp_path / "x.opus", tones(9))


# --------------------------------------------------------------------------------------------------- failures


def fake_ffmpeg(folder: Path, script: str) -> str:
    """A PATH on which ffmpeg is a shell script."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\ncase $* in *encoder=libopus*) echo Encoder libopus; exit;; esac\n{script}\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("head -c 1000 >/dev/null; echo it fell over >&2; exit 1", "it fell over"),
        ("cat >/dev/null; exit 3", "it ended with 3"),
        ("cat >/dev/null", "ffmpeg's file has no end"),
    ],
)
def test_a_failing_ffmpeg_leaves_no_file(script: str, message: str, project: Upscaler) -> None:
    project.environment["PATH"] = fake_ffmpeg(project.folder / "bin", script)
    done = project("enhance", "speech.flac", "--preset", "baseline", "-o", "x.opus")
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert sorted(child.name for child in project.folder.iterdir()) == ["bin", "speech.flac"]


def test_without_ffmpeg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match=r"install it \(apt install ffmpeg"):
        discover().exporter("opus")


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        discover().exporter("opus").open(tmp_path / "no" / "x.opus", RATE, 2)


def test_listing_it_imports_nothing_heavy() -> None:
    code = "import sys, upscaler_opus.plugin as p; p.upscaler_exporters(); print({'torch', 'numpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
