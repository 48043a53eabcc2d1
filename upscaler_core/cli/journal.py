"""`-v`, `-vv` and `--log`: what was decided for each file, and why, as lines with a level."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from upscaler_core.cli import words
from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.errors import OutputError
from upscaler_core.jobs.events import Event, Failed, Skipped
from upscaler_core.pipeline.events import Finished, Planned, Started, Warned
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.registry import DISTRIBUTION

FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
"""Of a line in the log file: local date and time, level, sentence."""


@contextlib.contextmanager
def journal(verbosity: int, path: Path | None, show: Callable[[str], None]) -> Iterator[logging.Logger]:
    """A logger for one run. It has no other logger's handlers, and gives them nothing.

    Args:
        verbosity: 0 = show nothing, 1 = show decisions, 2 = show every step.
        path: a file to which every step is appended.
        show: shows a line on the terminal.

    Raises:
        OutputError: the file cannot be written.
    """
    logger = logging.Logger("upscaler", logging.DEBUG)
    logger.addHandler(logging.NullHandler())  # a logger without a handler prints its warnings to standard error
    if verbosity:
        handler: logging.Handler = _Shown(show)
        handler.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
        logger.addHandler(handler)
    if path is not None:
        try:
            handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise OutputError(f"--log {path} cannot be written: {error.strerror or error}") from error
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
    try:
        yield logger
    finally:
        for handler in logger.handlers:
            handler.close()


class _Shown(logging.Handler):
    """Hands lines to a function. Warnings and failures are shown anyway, so they are left out."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line."""
        if record.levelno < logging.WARNING:
            self.show(record.getMessage())


def log_run(logger: logging.Logger, path: Path, pipeline: PipelineSpec, files: int, options: ProcessingOptions) -> None:
    """Log what the run is."""
    version = metadata.version(DISTRIBUTION)
    count = f"{files} file{'s' * (files != 1)}"
    logger.info("%s %s: %s through %s, device %s", DISTRIBUTION, version, count, path, options.device)
    form = pipeline.with_refs(lambda path, kind, ref: ref.complete()).model_dump(mode="json", exclude_none=True)
    logger.debug("pipeline: %s", json.dumps(form, ensure_ascii=False))


def log_event(logger: logging.Logger, event: Event) -> None:
    """Log what an event says, a line or more."""
    name = words.printable(str(event.source))
    match event:
        case Started(_, seconds, _):
            logger.debug("%s: begun, %s", name, words.clock(seconds) if seconds else "unknown length")
        case Planned(_, seconds):
            work = ", ".join(f"{stage} {words.clock(amount)}" for stage, amount in seconds.items())
            logger.debug("%s: planned: %s", name, work)
        case Warned(_, message):
            logger.warning("%s: %s", name, words.printable(message))
        case Skipped(_, target):
            why = "it was done in an earlier run, and nothing changed" if event.earlier else "its output exists"
            logger.info("%s: skipped, because %s: %s", name, why, words.printable(str(target)))
        case Failed():
            logger.error("%s: failed: %s", name, words.printable(words.failure_of(event)))
        case Finished():
            _log_result(logger, event, name)


def _log_result(logger: logging.Logger, result: Finished, name: str) -> None:
    reasons = [words.reason_of(segment) for segment in result.segments]
    why = f", because {reasons[0]}" if len(reasons) == 1 and result.note != "silence" else ""
    logger.info("%s: %s%s", name, words.decision_of(result), why)
    for segment, reason in zip(result.segments, reasons, strict=True) if len(reasons) > 1 else ():
        decision = "restored" if segment.added else "left alone"
        logger.info("%s: from %s: %s, because %s", name, words.clock(segment.start_s), decision, reason)
    for note in words.notes_of(result):
        if note not in result.warnings:
            logger.info("%s: %s", name, note)
    speed = words.speed(result.seconds, result.elapsed)
    channels = f"{result.channels} channel{'s' * (result.channels > 1)}"
    facts = f"{result.rate_in} → {result.rate_out} Hz, {channels}, {words.clock(result.seconds)}"
    target = words.printable(str(result.target))
    logger.debug("%s: written to %s: %s in %s (%s)", name, target, facts, words.clock(result.elapsed), speed)
