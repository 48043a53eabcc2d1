"""The reader against the format, and from the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from upscaler_core import InputError, discover
from upscaler_core.testing import Upscaler


def write(path: Path, signal: torch.Tensor, head: str = "; Sample Rate 48000\n") -> Path:
    """Write `[channel, time]` at 48 kHz."""
    seconds = np.arange(signal.shape[-1]) / 48_000
    with path.open("w") as file:
        file.write(head)
        np.savetxt(file, np.column_stack([seconds, signal.T.numpy()]), "%.9g")
    return path


def test_every_sample_comes_back(signal: torch.Tensor, tmp_path: Path) -> None:
    """`signal` is silence, an impulse, a tone, noise and speech in turn."""
    with discover().reader("example").open(write(tmp_path / "x.dat", signal)) as source:
        assert (source.info.rate, source.info.channels) == (48_000, 2)
        assert torch.equal(torch.cat(list(source.blocks(10_007)), -1), signal)


def test_a_file_that_says_no_rate_has_the_one_asked_for(speech: torch.Tensor, tmp_path: Path) -> None:
    """An option at work."""
    path = write(tmp_path / "x.dat", speech[:, :100], head="")
    with discover().reader("example", rate=8_000).open(path) as source:
        assert source.info.rate == 8_000


def test_a_torn_line_is_told(speech: torch.Tensor, tmp_path: Path) -> None:
    """In a sentence."""
    path = write(tmp_path / "x.dat", speech[:, :100])
    path.write_text(path.read_text() + "0.1 oops\n")
    with discover().reader("example").open(path) as source:
        blocks = source.blocks(1_000)
        with pytest.raises(InputError, match="no row of numbers"):
            list(blocks)


def test_a_file_goes_through(project: Upscaler, speech: torch.Tensor) -> None:
    """As a user runs it."""
    write(project.folder / "speech.dat", speech)
    done = project("enhance", "--preset", "baseline", "speech.dat", "-o", "out.wav")
    assert done.returncode == 0, done.stderr
