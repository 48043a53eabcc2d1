"""How results are put into words: in the table, the report, the log and the lines of a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from upscaler_core.jobs.events import Failed, Result, Skipped
from upscaler_core.pipeline.events import FULL_BAND_HZ, Finished, SegmentResult

CAUSES = {
    "lossy": "as a lossy codec leaves it",
    "resampled": "as a resampler leaves it",
    "low-pass": "in a gentle roll-off",
    "dark": "by itself, without a filter",
}
"""Why content ends, for the causes that a detector recognises."""


def status_of(result: Result, dry_run: bool = False) -> str:
    """The status of a result, as `--json` and reports have it."""
    match result:
        case Failed():
            return "failed"
        case Skipped():
            return "skipped"
        case Finished():
            return "damaged" if result.damaged else "would be done" if dry_run else "done"


def record_of(result: Result) -> Finished | None:
    """What is known of a finished file; of a skipped one, what the manifest has from an earlier run."""
    return result.earlier if isinstance(result, Skipped) else result if isinstance(result, Finished) else None


def decision_of(result: Finished) -> str:
    """What was done with a file, such as `restored above 8.1 kHz`; in a dry run, what will be done."""
    if result.damaged:
        return f"damaged: {100 * result.silenced_share:.0f} % is silence"
    restored = [segment for segment in result.segments if segment.added]
    if result.added and len(restored) < len(result.segments):
        return f"restored in {len(restored)} of {len(result.segments)} parts"
    if result.added and result.cutoff_hz is not None:
        return f"restored above {khz(result.cutoff_hz)}"
    if result.note == "silence":
        return "silent: nothing to restore"
    if result.cutoff_hz is not None:
        return f"not needed (already reaches {khz(result.cutoff_hz)})"
    return "resampled only" if result.note else "measured first, then restored if needed"


def reason_of(segment: SegmentResult) -> str:
    """Why a part was restored or left alone: `its content ends at 16.0 kHz, as a lossy codec leaves it (97 % sure)`."""
    cause = f", {CAUSES[segment.cause]}" if segment.cause in CAUSES else ""
    codec = f", probably {segment.codec}" if segment.codec else ""
    return f"its content ends at {khz(segment.cutoff_hz)}{cause}{codec} ({100 * segment.confidence:.0f} % sure)"


def notes_of(result: Result) -> Iterator[str]:
    """What else a person should know of a result: warnings, changes of the level, doubts."""
    record = record_of(result)
    if record is None:
        return
    yield from record.warnings
    if record.lowered_db:
        yield f"lowered by {max(record.lowered_db, 0.01):.2g} dB so that nothing clips"
    if record.limited_db:
        share = f"{max(0.1, 100 * record.limited_share):.1f} % of the time"
        yield f"the limiter lowered peaks by up to {max(0.1, record.limited_db):.1f} dB, {share}"
    unsure = [(part.cutoff_hz, part.confidence) for part in record.segments if not part.sure]
    if doubt := doubt_about(unsure, len(record.segments), record.rate_in):
        yield doubt


def failure_of(result: Failed) -> str:
    """Why a file failed, without its name at the beginning."""
    reason = result.message.removeprefix(str(result.source))
    return reason.removeprefix(":").strip() if reason else result.message


def doubt_about(unsure: Sequence[tuple[float, float]], parts: int, rate: int) -> str:
    """Words for the user where it is not sure at which frequency a source ends; empty where it is.

    Args:
        unsure: the cut-off, Hz, and the confidence, 0 … 1, of each part with a low confidence.
        parts: how many parts there are.
        rate: of the source, Hz.

    >>> doubt_about([(8_000.0, 0.41)], 1, 44_100)
    'not sure (41 %): to decide yourself, add --cutoff 8000 (or --cutoff 22050 to leave it alone)'
    >>> doubt_about([(5_000.0, 0.41)], 1, 16_000)  # with --cutoff 8000 the rest would be restored
    'not sure (41 %): to decide yourself, add --cutoff HZ, such as --cutoff 5000'
    """
    if not unsure:
        return ""
    least = f"{100 * min(confidence for _, confidence in unsure):.0f} %"
    if parts > 1:
        return (
            f"not sure about {len(unsure)} of {parts} parts ({least}): to decide yourself, "
            "see `upscaler inspect --write-cutoffs` and --cutoffs"
        )
    ((cutoff, confidence),) = unsure
    if cutoff >= rate / 2 and confidence < 0.5:
        return "its content may end lower, but it is unclear where: to decide yourself, add --cutoff HZ"
    if cutoff >= rate / 2:
        return f"not sure ({least}) that it has no edge: to decide yourself, add --cutoff HZ"
    if rate / 2 < FULL_BAND_HZ:  # models add something to every source of this rate, wherever it ends
        return f"not sure ({least}): to decide yourself, add --cutoff HZ, such as --cutoff {cutoff:.0f}"
    return (
        f"not sure ({least}): to decide yourself, add --cutoff {cutoff:.0f} (or --cutoff {rate // 2} to leave it alone)"
    )


def khz(hertz: float) -> str:
    """A frequency, such as `8.1 kHz`."""
    return f"{hertz / 1000:.1f} kHz"


def speed(seconds: float, elapsed: float) -> str:
    """Seconds of audio that are done in one second; never 0.

    >>> speed(120, 10), speed(42, 10), speed(1, 30), speed(1, 1_000)
    ('12x', '4.2x', '0.03x', '<0.01x')
    """
    ratio = seconds / max(elapsed, 1e-9)
    if ratio >= 9.95:
        return f"{ratio:.0f}x"
    if ratio >= 0.095:
        return f"{ratio:.1f}x"
    return f"{ratio:.2f}x" if ratio >= 0.01 else "<0.01x"


def clock(seconds: float) -> str:
    """A length as people read it: `3.2 s` below a minute, otherwise `1:02:03` or `4:05`.

    >>> clock(3723.4), clock(59.94)
    ('1:02:03', '59.9 s')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def printable(text: str) -> str:
    r"""Text on one line, without what would move a terminal's cursor.

    >>> printable("a\nb\x1b[2J")
    'a\\nb\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
