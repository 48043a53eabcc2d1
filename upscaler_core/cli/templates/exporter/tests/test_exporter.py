"""The exporter against the format, and from a pipeline file."""

from pathlib import Path

import numpy as np
import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_every_sample_is_there_with_its_time(signal: torch.Tensor, tmp_path: Path) -> None:
    """`signal` is silence, an impulse, a tone, noise and speech in turn, `[2, 48000]` at 48 kHz."""
    with discover().exporter("example").open(tmp_path / "x.dat", 48_000, 2) as sink:
        for block in torch.split(signal, 10_007, -1):
            sink.write(block)
    table = np.loadtxt(tmp_path / "x.dat", comments=";")
    assert np.array_equal(table[:, 1:].T.astype(np.float32), signal.numpy())
    assert np.allclose(table[:, 0], np.arange(48_000) / 48_000)


def test_a_file_goes_through(project: Upscaler) -> None:
    """As a user runs it."""
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.dat")
    assert done.returncode == 0, done.stderr
    assert (project.folder / "out.dat").read_text().startswith("; Sample Rate 8000\n; Channels 1\n")
