"""The contract of exporters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core.errors import InputError
from upscaler_core.files.recording import open_recording
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.protocols import AudioInfo
from upscaler_core.testing import signals
from upscaler_core.testing.rules import Subject, rule


def _export(subject: Subject, path: Path, x: Tensor, block_size: int) -> None:
    """Write `[channel, time]` at 48 kHz, in blocks of so many samples."""
    with subject.built.open(path, 48_000, x.shape[0], AudioInfo(48_000, x.shape[0], None, "test"), seed=1) as sink:
        for block in torch.split(x, block_size, -1):
            sink.write(block)


@rule(Kind.EXPORTER, "the record names at least one suffix, and 48 kHz stereo is not refused")
def exporter_suffixes(subject: Subject) -> str | None:
    if not subject.entry.component.suffixes:
        return "it names none"
    refused: str | None = subject.built.refuse(48_000, 2)
    return refused


@rule(Kind.EXPORTER, "any path is written, and the same audio gives the same bytes however it was cut")
def exporter_bytes(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for block_size in (48_000, 4_999):
            path = Path(folder) / f"{block_size}.part"
            _export(subject, path, x, block_size)
            contents.append(path.read_bytes())
    if not contents[0]:
        return "the file is empty"
    return None if contents[0] == contents[1] else "the bytes differ"


@rule(Kind.EXPORTER, "a reader that names its suffix reads back the same rate, channels and, within 1 %, length")
def exporter_readable(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    with tempfile.TemporaryDirectory() as folder:
        suffix = subject.entry.component.suffixes[0]
        path = Path(folder) / f"x{suffix}"
        _export(subject, path, x, 10_000)
        try:
            with open_recording(path, subject.registry) as source:
                length = sum(block.shape[-1] for block in source.blocks(4_096))
                info = source.info
        except InputError as error:
            readers = [e for e in subject.registry.of(Kind.READER) if suffix in e.component.suffixes]
            return f"{readers[0].full_name}: {error}" if readers else None
    if (info.rate, info.channels) != (48_000, 2) or abs(length - x.shape[-1]) > 240:
        return f"it is {length} samples, {info.channels} channels at {info.rate} Hz"
    return None
