"""Finds ffmpeg and runs it: on local files only, without a shell, and never longer than it is needed."""

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

with warnings.catch_warnings():  # pydub warns of ffmpeg, which is looked for below, and of its own age
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

_PATIENCE = 60  # seconds for a look at a header
_MOST_SAID = 4096  # bytes of complaints that are read
_LOCAL = ("-v", "error", "-protocol_whitelist", "file,pipe")  # a playlist cannot make it fetch anything


def find() -> tuple[str, str]:
    """Paths of ffmpeg (pydub's choice, `AudioSegment.converter`) and of the ffprobe beside it, or else on the PATH.

    Raises:
        MissingDependency: one of them is not there.
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
    """What ffprobe tells of a file: its `format`, and of its first sound track, if any, `streams` and one of `packets`.

    Raises:
        InputError: it is nothing that ffmpeg knows.
    """
    shown = ["-show_format", "-show_streams", "-select_streams", "a:0", "-show_packets", "-read_intervals", "%+#1"]
    words = [ffprobe, *_LOCAL, *settings, "-of", "json", *shown, _url(path)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"ffmpeg cannot make sense of it within {_PATIENCE} s") from error
    if done.returncode:
        raise InputError(f"ffmpeg cannot read it: {_sentence(done.stderr, path) or 'it is not audio'}")
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise InputError("ffmpeg cannot tell what it is") from error
    return told


class Decoding:
    """A running ffmpeg: its samples as bytes, and after their end what it complained of."""

    def __init__(self, process: subprocess.Popen[bytes], samples: IO[bytes], said: IO[bytes], path: Path) -> None:
        self.samples = samples
        self._process, self._said, self._path = process, said, path

    def complaint(self) -> str | None:
        """Wait for its end; what went wrong, or None."""
        failed = self._process.wait() != 0
        self._said.seek(0)
        return _sentence(self._said.read(_MOST_SAID), self._path) or ("it ended too early" if failed else None)


@contextlib.contextmanager
def decode(ffmpeg: str, path: Path, filters: str) -> Iterator[Decoding]:
    """Decode the first sound track into interleaved little-endian 32-bit floats.

    The process is ended when the context is left, wherever it is. It has a session of its own, so that a Ctrl-C reaches
    it through here only, and an end of input is always an end of the file.
    """
    pcm = ["-map", "0:a:0", "-af", filters, "-c:a", "pcm_f32le", "-f", "f32le", "-"]
    words = [ffmpeg, *_LOCAL, "-nostdin", "-i", _url(path), *pcm]
    # Complaints go to a file, because a pipe that nobody reads would fill up and stop it.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        ) as process,
    ):
        assert process.stdout  # noqa: S101 - for mypy
        try:
            yield Decoding(process, process.stdout, said, path)
        finally:
            process.kill()


def _url(path: Path) -> str:
    """Never an option, a URL or a list of files, whatever the name looks like."""
    return f"file:{path.absolute()}"


def _sentence(said: bytes, path: Path) -> str:
    """The first complaint, without addresses and the path."""
    for line in said.decode(errors="replace").splitlines():
        text = re.sub(r"^(\[[^\]]* @ [^\]]*\] )+", "", line.replace(f"{_url(path)}: ", "")).strip().rstrip(".")
        if text:
            return text
    return ""
