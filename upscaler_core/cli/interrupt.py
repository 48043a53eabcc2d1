"""Ctrl-C, SIGTERM and SIGHUP end long work after its current step."""

from __future__ import annotations

import signal
import warnings
from types import FrameType, TracebackType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Windows lacks some of them."""


class Interrupt:
    """A context in which the first signal only sets `requested`, and the second one interrupts at once.

    The signal handlers that were there before are back when the context ends.
    """

    def __init__(self) -> None:
        self.requested = False
        """Whether the user wants the work to end after the current step."""
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        self._former = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    @property
    def asked(self) -> bool:
        """The old name of `requested`."""
        message = "Interrupt.asked is now called requested; the old name is gone in version 0.3"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return self.requested
