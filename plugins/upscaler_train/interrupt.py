"""Signals in a run's worker processes."""

from __future__ import annotations

import signal


def ignore_interrupts(worker: int) -> None:
    """In a worker: a terminal's Ctrl-C reaches it too, and is the main process's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
