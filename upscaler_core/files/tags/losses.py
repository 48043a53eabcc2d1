"""Which of a source's tags an output does not hold. The output is read back, so the cause of a loss does not matter."""

from __future__ import annotations

from pathlib import Path

from upscaler_core.files.tags.iff import KEPT
from upscaler_core.files.tags.reading import complete_tags, read_tags
from upscaler_core.files.tags.restoration import NAME
from upscaler_core.plugins.protocols import AudioInfo

MOST_NAMED = 8
"""Things that a sentence names."""


def not_carried(source: AudioInfo, output: Path) -> tuple[str, ...]:
    """What the source holds beside its audio and the complete output lacks, in words.

    Of texts and pictures nothing is said without mutagen, which reads them, nor of the tag of what made the output.
    """
    written = complete_tags(AudioInfo(source.rate, source.channels, None, ""), output)
    lost = [*source.not_carried]
    lost += [KEPT.get(name, f"the chunk {name.strip()}") for name in source.chunks if name not in written.chunks]
    if len(written.chapters) < len(source.chapters):
        lost.append(f"{len(source.chapters)} chapter{'s' * (len(source.chapters) > 1)}")
    if read_tags(output) is not None:
        missing = len(source.pictures) - len(written.pictures)
        lost += [f"{missing} picture{'s' * (missing > 1)}"] if missing > 0 else []
        lost += [f"the tag {name.upper()}" for name in source.tags if name not in (*written.tags, NAME)]
    return tuple(dict.fromkeys(lost))


def loss_sentence(lost: tuple[str, ...]) -> str:
    """A warning about it, without a full stop; empty where nothing was lost.

    >>> loss_sentence(("broadcast data (bext)", "2 chapters"))
    'the output does not hold broadcast data (bext) and 2 chapters'
    """
    named = [*lost[:MOST_NAMED], *([f"{len(lost) - MOST_NAMED} more"] if len(lost) > MOST_NAMED else [])]
    if not named:
        return ""
    return f"the output does not hold {' and '.join(filter(None, (', '.join(named[:-1]), named[-1])))}"
