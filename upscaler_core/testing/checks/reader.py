"""The contract of readers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from upscaler_core.errors import InputError
from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.rules import Subject, rule


@rule(Kind.READER, "the record names at least one suffix")
def reader_suffixes(subject: Subject) -> str | None:
    return None if subject.entry.component.suffixes else "it names none"


@rule(Kind.READER, "what is not audio raises InputError with a sentence, and nothing else")
def reader_garbage(subject: Subject) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("empty", b""), ("text", b"no audio at all\n" * 99), ("zeros", bytes(5_000))):
            path = Path(folder) / f"{name}{subject.entry.component.suffixes[0]}"
            path.write_bytes(content)
            try:
                with subject.built.open(path) as source:
                    length = sum(block.shape[-1] for block in source.blocks(1_024))
            except InputError as error:
                if not str(error):
                    return f"for a file of {name} the sentence is empty"
                continue
            if length:
                return f"a file of {name} became {length} samples"
    return None


@rule(Kind.READER, "blocks are [channel, time] float32 of at most the asked length, from the first sample at each call")
def reader_blocks(subject: Subject) -> str | None:
    suffixes = set(subject.entry.component.suffixes)
    exporters = [e for e in subject.registry.of(Kind.EXPORTER) if suffixes & set(e.component.suffixes)]
    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    for entry in exporters:
        writer = subject.registry.build(Kind.EXPORTER, entry.full_name)
        suffix = next(s for s in entry.component.suffixes if s in suffixes)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"x{suffix}"
            with writer.open(path, 48_000, 2) as sink:
                sink.write(x)
            with subject.built.open(path) as source:
                passes = [list(source.blocks(size)) for size in (1_000, 24_000)]
        for size, blocks in zip((1_000, 24_000), passes, strict=True):
            if any(b.dtype != torch.float32 or b.shape[0] != 2 or b.shape[-1] > size for b in blocks):
                return f"for {suffix} they are {list(blocks[0].shape)} {blocks[0].dtype}, asked for {size}"
        if not torch.equal(*(torch.cat(blocks, -1) for blocks in passes)):
            return f"for {suffix} two passes differ"
    return None
