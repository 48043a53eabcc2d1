"""Formats that libsndfile lacks, through a real ffmpeg, and what happens without one."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from upscaler_core import InputError, MissingDependency, discover
from upscaler_core.files import open_recording

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pydub", reason="pydub is not installed")

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is not installed"
)
RATE, LENGTH = 44_100, 132_301


def encode(target: Path, *words: object, source: Path | None = None) -> Path:
    inputs = ["-i", source] if source else []
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *inputs, *words, target]
    subprocess.run(list(map(str, command)), check=True)
    return target


def decode(path: Path, block: int = 65_536) -> tuple[torch.Tensor, object]:
    with open_recording(path, discover()) as source:
        blocks = list(source.blocks(block))
        assert all(b.dtype == torch.float32 and b.shape[-1] <= block and b.is_contiguous() for b in blocks)
        return torch.cat(blocks, -1), source


def lag_of(decoded: np.ndarray, original: np.ndarray) -> int:
    size = 1 << (len(decoded) + len(original)).bit_length()
    spectrum = np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(original, size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)))
    return at if at < size // 2 else at - size


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """Three seconds of real stereo music, 24 bits, of a length that is a multiple of no frame."""
    examples = Path(__file__).parent.parent.parent / "examples" / "audio"
    samples, rate = sf.read(examples / "arovane_beat_d_cc0_lossless.flac", frames=LENGTH, dtype="float64")
    assert (rate, len(samples)) == (RATE, LENGTH)
    path = tmp_path_factory.mktemp("music") / "music.wav"
    sf.write(path, samples * 0.7, RATE, subtype="PCM_24")
    return path, sf.read(path, dtype="float32")[0].T


VIDEO = ("-f", "lavfi", "-i", "color=s=32x32:d=3", "-map", "0:a", "-map", "1:v")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "words", "gapless", "lag"),
    [
        ("x.m4a", ["-c:a", "aac"], True, 0),
        ("faststart.m4a", ["-c:a", "aac", "-movflags", "faststart"], True, 0),
        ("-video, ü.mp4", [*VIDEO, "-c:a", "aac"], True, 0),
        ("x.mov", [*VIDEO, "-c:a", "aac"], True, 0),
        ("bare.aac", ["-c:a", "aac"], False, 1024),
        ("x.wma", ["-c:a", "wmav2"], False, -2048),
        ("x.mkv", [*VIDEO, "-c:a", "ac3", "-b:a", "320k"], False, 256),
        ("x.avi", [*VIDEO, "-c:a", "ac3", "-b:a", "320k"], False, 256),
        ("x.unheard-of", ["-c:a", "aac", "-f", "ipod"], True, 0),
    ],
)
def test_lossy_formats_come_with_their_length_and_delay(name, words, gapless, lag, music, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / name, *words, source=music[0])
    decoded, source = decode(Path(name))
    length = decoded.shape[-1]
    assert (source.info.rate, source.info.channels) == (RATE, 2)
    assert (source.info.bits, source.info.floating, source.damage) == (None, False, None)
    assert source.info.frames == (length if gapless else None)
    assert abs(LENGTH - length) <= (0 if gapless else 4096)
    assert lag_of(decoded[0].numpy(), music[1][0]) == lag
    assert torch.equal(decoded, decode(Path(name), block=1_000)[0])


@needs_ffmpeg
@pytest.mark.parametrize("length", [100_123, 44_143, 44_101, 44_100])
def test_an_m4a_keeps_its_last_samples(length, music, tmp_path):
    """Its edit list is rounded to 1 ms."""
    decoded, source = decode(encode(tmp_path / "x.m4a", "-af", f"atrim=end_sample={length}", source=music[0]))
    assert decoded.shape[-1] == source.info.frames == length


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "words", "bits", "floating"),
    [
        ("x.m4a", ["-c:a", "alac"], 24, False),
        ("x.mkv", ["-c:a", "pcm_s24le"], 24, False),
        ("x.mov", ["-c:a", "pcm_f32le"], 32, True),
        ("x.wv", ["-c:a", "wavpack", "-sample_fmt", "fltp"], 32, True),
        ("six.m4a", ["-c:a", "alac", "-af", "pan=5.1|FL=FL|FR=FR|FC=FL|LFE=FR|BL=FL|BR=FR"], 24, False),
    ],
)
def test_lossless_formats_are_exact(name, words, bits, floating, music, tmp_path):
    decoded, source = decode(encode(tmp_path / name, *words, source=music[0]))
    assert (source.info.bits, source.info.floating) == (bits, floating)
    assert torch.equal(decoded, torch.from_numpy(music[1]).repeat(len(decoded) // 2, 1))


@needs_ffmpeg
def test_float_samples_beyond_full_scale_are_kept_and_nonsense_is_not(tmp_path):
    samples = np.array([[0.5, 3.5, np.nan, -2.0, np.inf, 0.25] * 2_000], np.float32).T
    sf.write(tmp_path / "loud.wav", samples, RATE, subtype="FLOAT")
    decoded, source = decode(encode(tmp_path / "loud.mov", "-c", "copy", source=tmp_path / "loud.wav"))
    assert torch.equal(decoded[0, :6], torch.tensor([0.5, 3.5, 0, -2, 0, 0.25]))
    assert source.damage.startswith("4,000 samples were not numbers")


@needs_ffmpeg
def test_tags_come_by_their_usual_names(music, tmp_path):
    texts = {"title": "Ümlaut", "artist": "A", "album": "B", "track": "3/9", "date": "2001", "encoder": "no"}
    words = [word for name, text in texts.items() for word in ("-metadata", f"{name}={text}")]
    _, source = decode(encode(tmp_path / "x.m4a", *words, source=music[0]))
    expected = {"title": "Ümlaut", "artist": "A", "album": "B", "tracknumber": "3/9", "date": "2001"}
    assert source.info.tags == {name: (text,) for name, text in expected.items()}


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("x.m4a", ["-movflags", "faststart"], r"^it ends after 1\.\d+ s of 3\.000 s; ffmpeg says: \w"),
        ("x.aac", [], r"^ffmpeg says: \w"),
        ("x.mkv", [], r"^ffmpeg says: \w"),
    ],
)
def test_a_cut_off_file_is_decoded_as_far_as_it_goes(name, words, message, music, tmp_path):
    path = encode(tmp_path / name, "-c:a", "aac", *words, source=music[0])
    intact, _ = decode(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 7])
    cut, source = decode(path)
    assert re.search(message, source.damage)
    assert str(tmp_path) not in source.damage
    assert RATE < cut.shape[-1] < 2 * RATE
    assert torch.equal(cut[:, :RATE], intact[:, :RATE])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("garbage.m4a", os.urandom(9_999), r"garbage\.m4a cannot be read: ffmpeg cannot read it: "),
        ("text.aac", b"no audio at all\n" * 99, "cannot be read: ffmpeg cannot read it: "),
        ("empty.wma", b"", "cannot be read: it is empty$"),
        ("list.m4a", b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be read: it is a playlist"),
        ("list.mkv", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n", "it is a playlist"),
    ],
)
def test_what_is_no_audio_is_refused_in_a_sentence(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        decode(tmp_path / name)


@needs_ffmpeg
def test_a_film_without_sound_is_refused(tmp_path):
    path = encode(tmp_path / "mute.mp4", "-f", "lavfi", "-i", "color=s=32x32:d=1")
    with pytest.raises(InputError, match="it holds no sound track"):
        decode(path)


@needs_ffmpeg
def test_leaving_early_ends_ffmpeg(music, tmp_path, monkeypatch):
    from upscaler_pydub import programs

    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            started.append(self)

    path = encode(tmp_path / "x.m4a", "-c:a", "alac", source=music[0])
    with open_recording(path, discover()) as source:
        monkeypatch.setattr(programs.subprocess, "Popen", Watched)
        blocks = source.blocks(100)
        assert next(blocks).shape == (2, 100)
        assert started[0].poll() is None
        blocks.close()
    assert [process.returncode for process in started] == [-9]


STREAM = """
import resource, sys
from pathlib import Path
from upscaler_core import discover
from upscaler_core.files import open_recording

with open_recording(Path(sys.argv[1]), discover()) as source:
    blocks = source.blocks(65_536)
    length = next(blocks).shape[-1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    length += sum(block.shape[-1] for block in blocks)
    print(length, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@needs_ffmpeg
def test_twenty_minutes_stream_in_little_memory(tmp_path):
    words = ["-f", "lavfi", "-i", "sine=r=44100:d=1200", "-ac", "2", "-c:a", "alac"]
    path = encode(tmp_path / "long.m4a", *words)
    done = subprocess.run([sys.executable, "-c", STREAM, path], capture_output=True, text=True, check=True)
    length, grown = map(int, done.stdout.split())
    assert length == 1200 * RATE
    assert grown < 50_000, f"{grown} KiB"


@pytest.mark.slow
@needs_ffmpeg
def test_an_m4a_is_enhanced_by_the_command_line(music, upscaler):
    encode(upscaler.folder / "x.m4a", "-c:a", "aac", "-metadata", "title=T", source=music[0])
    done = upscaler("enhance", "x.m4a", "-o", "out.flac", "--rate", "96000")
    assert done.returncode == 0, done.stderr
    with sf.SoundFile(upscaler.folder / "out.flac") as out:
        assert (out.samplerate, out.title) == (96_000, "T")
        assert out.frames == -(-LENGTH * 96_000 // RATE)


@pytest.mark.slow
def test_without_ffmpeg_the_remedy_is_named_where_it_was_needed(upscaler):
    upscaler.environment["PATH"] = str(upscaler.folder / "nothing")
    for name in ("x.m4a", "broken.wav", "notes.txt"):
        (upscaler.folder / name).write_bytes(b"no audio at all\n" * 99)
    done = upscaler("enhance", "x.m4a", "-o", "out.wav")
    assert (done.returncode, "it needs ffmpeg: install it (apt install ffmpeg, " in done.stderr) == (5, True)
    for name in ("broken.wav", "notes.txt"):
        done = upscaler("enhance", name, "-o", "out.wav")
        assert done.returncode == 4
        assert "it is not audio in a format that can be read, or its header is damaged" in done.stderr
        assert "ffmpeg" not in done.stderr
    assert "Traceback" not in done.stderr


def test_without_pydub_the_package_is_named(tmp_path, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] in ("pydub", "upscaler_pydub")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pydub", None)
    (tmp_path / "x.m4a").write_bytes(b"x")
    with pytest.raises(MissingDependency, match=r"x\.m4a cannot be read: .*pip install 'ai-audio-upscaler\[pydub\]'"):
        open_recording(tmp_path / "x.m4a", discover())
    (tmp_path / "x.wav").write_bytes(b"x")
    with pytest.raises(InputError):
        open_recording(tmp_path / "x.wav", discover())


SPEAKERS = {3: "3.0", 5: "5.0(back)", 6: "5.1(back)", 7: "6.1", 8: "7.1"}


@needs_ffmpeg
@pytest.mark.parametrize(
    ("channels", "name"), [*((channels, "x.ogg") for channels in SPEAKERS), *((n, "x.opus") for n in (5, 6, 7, 8))]
)
def test_every_speaker_of_ffmpegs_own_ogg_files_keeps_its_place(channels, name, tmp_path):
    hertz = 60 + 20 * np.arange(channels)  # the bass channel, the fourth, takes 120
    tones = 0.1 * np.sin(2 * np.pi * np.arange(48_000) / 48_000 * hertz[:, None])
    sf.write(tmp_path / "in.wav", tones.T, 48_000)
    # Without a mapping family ffmpeg's Opus writer itself swaps speakers.
    coder = {"x.ogg": ["libvorbis"], "x.opus": ["libopus", "-mapping_family", "1"]}[name]
    words = ["ffmpeg", "-v", "error", "-channel_layout", SPEAKERS[channels], "-i", tmp_path / "in.wav"]
    subprocess.run([*words, "-c:a", *coder, tmp_path / name], check=True)
    decoded = decode(tmp_path / name)[0].numpy()[:, :48_000]
    assert np.abs(np.fft.rfft(decoded)).argmax(1).tolist() == hertz.tolist()


# What the other reader cannot reach


@needs_ffmpeg
def test_a_damaged_file_is_read_by_whichever_reader_finds_more(music, tmp_path):
    """An Ogg file that goes on in mono: libsndfile's reader leaves that out, ffmpeg makes stereo of it."""
    for name, channels in (("one.ogg", 2), ("two.ogg", 1)):
        encode(tmp_path / name, "-c:a", "libvorbis", "-ac", str(channels), source=music[0])
    path = tmp_path / "both.ogg"
    path.write_bytes((tmp_path / "one.ogg").read_bytes() + (tmp_path / "two.ogg").read_bytes())
    decoded, source = decode(path)
    assert source.info.channels == 2
    assert abs(decoded.shape[-1] - 2 * LENGTH) < 5_000
    assert torch.equal(decoded, decode(path, block=1_000)[0])
    assert "it was read by pydub/ffmpeg, which finds more of it than files/soundfile" in source.damage


@needs_ffmpeg
def test_dsd256_is_read_at_half_of_ffmpegs_rate(tmp_path):
    rate, blocks = 11_289_600, 2 * 40
    data = bytes([0x69]) * (4_096 * blocks)  # silence, as DSD has it
    form = struct.pack("<QIIIIIIQII", 52, 1, 0, 2, 2, rate, 1, len(data) * 8 // 2, 4_096, 0)
    body = b"fmt " + form + b"data" + struct.pack("<Q", 12 + len(data)) + data
    (tmp_path / "x.dsf").write_bytes(b"DSD " + struct.pack("<QQQ", 28, 28 + len(body), 0) + body)
    decoded, source = decode(tmp_path / "x.dsf")
    assert source.info.rate == rate // 16
    assert abs(decoded.shape[-1] - len(data) * 8 // 2 // 16) < 100


@needs_ffmpeg
@pytest.mark.parametrize(
    ("layout", "names"),
    [
        *[("2.1", "FL FR LFE"), ("3.1", "FL FR FC LFE"), ("4.0", "FL FR FC BC"), ("quad", "FL FR BL BR")],
        *[("5.1(side)", "FL FR FC LFE SL SR"), ("6.1", "FL FR FC LFE BC SL SR"), ("FL+FR+TC", "FL FR TC")],
        ("7.1(wide)", "FL FR FC LFE BL BR FLC FRC"),
    ],
)
def test_loudspeakers_come_by_their_names(layout, names, tmp_path):
    words = ["-f", "lavfi", "-i", f"anullsrc=channel_layout={layout}:sample_rate={RATE}:d=1", "-c:a", "wavpack"]
    assert decode(encode(tmp_path / "x.wv", *words))[1].info.layout == tuple(names.split())
