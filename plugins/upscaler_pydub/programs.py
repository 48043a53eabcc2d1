"""Finds ffmpeg and runs it: on local files only, without a shell, and never longer than needed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from upscaler_core import InputError, MissingDependency

with warnings.catch_warnings():  # pydub warns that ffmpeg is missing, which is checked below, and of its own age
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

_TIMEOUT = 60  # seconds for reading a header
_LONGEST_COMPLAINT = 4096  # bytes that are read of ffmpeg's complaints
_LOCAL = ("-v", "error", "-protocol_whitelist", "file,pipe")  # so that no playlist makes it fetch anything


def find() -> tuple[str, str]:
    """Paths of ffmpeg (pydub's choice, `AudioSegment.converter`) and of the ffprobe beside it, or else on the PATH.

    Raises:
        MissingDependency: one of them is not installed.
    """
    ffmpeg = shutil.which(AudioSegment.converter)
    beside = ffmpeg and shutil.which("ffprobe", path=str(Path(ffmpeg).parent))
    ffprobe = beside or shutil.which("ffprobe")
    if ffmpeg is None or ffprobe is None:
        raise MissingDependency(
            f"it needs {'ffprobe, which comes with ffmpeg' if ffmpeg else 'ffmpeg'}: install it "
            "(apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)"
        )
    return str(Path(ffmpeg).absolute()), str(Path(ffprobe).absolute())


def probe(ffprobe: str, path: Path, *settings: str) -> dict[str, Any]:
    """Ask ffprobe for a file's `format` and `chapters`, and for its first sound track: one of `streams` and `packets`.

    Raises:
        InputError: ffmpeg does not know the format.
    """
    shown = [
        "-show_format",
        "-show_chapters",
        "-show_streams",
        "-select_streams",
        "a:0",
        "-show_packets",
        "-read_intervals",
        "%+#1",
    ]
    words = [ffprobe, *_LOCAL, *settings, "-of", "json", *shown, _url(path)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"ffmpeg cannot make sense of it within {_TIMEOUT} s") from error
    if done.returncode:
        raise InputError(f"ffmpeg cannot read it: {_sentence(done.stderr, path) or 'it is not audio'}")
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise InputError("ffmpeg cannot tell what it is") from error
    return facts


def pictures(ffmpeg: str, ffprobe: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """The file names and the data of the pictures that are attached to a file."""
    words = [ffprobe, *_LOCAL, "-of", "json", "-show_streams", "-select_streams", "v", _url(path)]
    streams = json.loads(_output(words) or b"{}").get("streams", ())
    for stream in streams:
        if stream.get("disposition", {}).get("attached_pic"):
            selection = ["-map", f"0:{stream['index']}", "-c", "copy", "-f", "image2pipe", "-"]
            data = _output([ffmpeg, *_LOCAL, "-nostdin", "-i", _url(path), *selection])
            yield stream.get("tags", {}).get("filename", ""), data


def _output(words: list[str]) -> bytes:
    """What a program writes; nothing where it fails."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return b""
    return b"" if done.returncode else done.stdout


class Decoding:
    """A running ffmpeg: its samples as bytes, and after their end its complaints."""

    def __init__(self, process: subprocess.Popen[bytes], samples: IO[bytes], complaints: IO[bytes], path: Path) -> None:
        self.samples = samples
        self._process, self._complaints, self._path = process, complaints, path

    def complaint(self) -> str | None:
        """Wait for its end, and return what went wrong, or None."""
        failed = self._process.wait() != 0
        self._complaints.seek(0)
        first = _sentence(self._complaints.read(_LONGEST_COMPLAINT), self._path)
        return first or ("it ended too early" if failed else None)


@contextlib.contextmanager
def decode(ffmpeg: str, path: Path, filters: str) -> Iterator[Decoding]:
    """Decode the first sound track into interleaved little-endian 32-bit floats.

    Leaving the context ends the process, wherever it is. It has a session of its own, so that Ctrl-C does not end it
    directly: then the end of its output always is the end of the file.
    """
    pcm = ["-map", "0:a:0", "-af", filters, "-c:a", "pcm_f32le", "-f", "f32le", "-"]
    words = [ffmpeg, *_LOCAL, "-nostdin", "-i", _url(path), *pcm]
    # Complaints go to a file, because a pipe that nobody reads would fill up and stop it.
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True
        ) as process,
    ):
        assert process.stdout  # noqa: S101 - for mypy
        try:
            yield Decoding(process, process.stdout, complaints, path)
        finally:
            process.kill()


def _url(path: Path) -> str:
    """A path as ffmpeg takes it, never as an option, a URL or a list of files, whatever its name looks like."""
    return f"file:{path.absolute()}"


def _sentence(complaints: bytes, path: Path) -> str:
    """The first complaint, without addresses and the path."""
    for line in complaints.decode(errors="replace").splitlines():
        text = re.sub(r"^(\[[^\]]* @ [^\]]*\] )+", "", line.replace(f"{_url(path)}: ", "")).strip().rstrip(".")
        if text:
            return text
    return ""
