"""Encodes samples with ffmpeg's libopus, in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack
from functools import cache
from tempfile import TemporaryFile
from typing import BinaryIO

from upscaler_core import MissingDependency, OutputError

from upscaler_opus.plugin import OpusOptions

LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""ffmpeg's names for 1 to 8 channels in the order of WAV."""
_MODES = {"vbr": "on", "cvbr": "constrained", "cbr": "off"}
_SURROUND = ("-mapping_family", "1")  # several channels as speakers; ffmpeg's default leaves them without an order


def find() -> str:
    """The ffmpeg on the PATH.

    Raises:
        MissingDependency: there is none, or it was built without libopus.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise MissingDependency(
            "writing Opus needs ffmpeg: install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)"
        )
    if not _has_libopus(ffmpeg):
        raise MissingDependency(f"{ffmpeg} was built without libopus: install an ffmpeg that has it")
    return ffmpeg


@cache
def _has_libopus(ffmpeg: str) -> bool:
    done = subprocess.run([ffmpeg, "-hide_banner", "-h", "encoder=libopus"], capture_output=True, check=False)
    return b"Encoder libopus" in done.stdout


class Encoding:
    """A running ffmpeg, from interleaved float32 samples to an Ogg Opus file without tags.

    Its result and its complaints go to temporary files, because a pipe that nobody reads would fill up and stop it.
    """

    def __init__(self, ffmpeg: str, rate: int, channels: int, options: OpusOptions) -> None:
        speakers = "|".join(map(str, range(channels)))
        words = [
            *(ffmpeg, "-v", "error", "-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", "pipe:0"),
            *("-af", f"channelmap=map={speakers}:channel_layout={LAYOUTS[channels - 1]}", "-c:a", "libopus"),
            *("-b:a", f"{options.kbps_a_channel * channels}k", "-vbr", _MODES[options.mode]),
            *("-application", options.application, "-compression_level", str(options.complexity)),
            *(_SURROUND if channels > 2 else ()),
            *("-f", "ogg", "-bitexact", "pipe:1"),  # bitexact: no random serial number
        ]
        with ExitStack() as opened:
            self._encoded = opened.enter_context(TemporaryFile())
            self._complaints = opened.enter_context(TemporaryFile())
            # In a session of its own, so that a Ctrl-C reaches it through here only.
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=self._encoded, stderr=self._complaints, start_new_session=True
            )
            self._opened = opened.pop_all()

    def write(self, samples: memoryview) -> None:
        """Append samples.

        Raises:
            OutputError: ffmpeg has ended.
        """
        assert self._process.stdin  # for mypy
        try:
            self._process.stdin.write(samples)
        except BrokenPipeError:
            self._refuse()

    def finish(self) -> BinaryIO:
        """Wait for the end; the finished file, from its first byte.

        Raises:
            OutputError: ffmpeg complained.
        """
        self._process.communicate()
        if self._process.returncode or self._complaints.seek(0, 2):
            self._refuse()
        self._encoded.seek(0)
        return self._encoded

    def close(self) -> None:
        """End the process, wherever it is, and close its files."""
        self._process.kill()
        self._process.communicate()
        self._opened.close()

    def _refuse(self) -> None:
        self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        raise OutputError(f"ffmpeg cannot encode it: {lines[0] or f'it ended with {self._process.returncode}'}")
