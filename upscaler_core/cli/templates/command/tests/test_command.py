"""The command as a user runs it."""

import torch
from upscaler_core.testing import Upscaler


def test_it_tells_the_peak(project: Upscaler, speech: torch.Tensor) -> None:
    """`project` is a folder with a short recording, `speech.flac`; `speech` is that recording."""
    done = project("example", "speech.flac", "--linear")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"speech.flac: {float(speech.abs().max()):.4f}\n"


def test_a_file_that_is_not_there_is_told(project: Upscaler) -> None:
    """In a sentence, with the exit code of an input that cannot be read."""
    done = project("example", "gone.wav")
    assert (done.returncode, done.stderr) == (4, "upscaler: gone.wav does not exist\n")
