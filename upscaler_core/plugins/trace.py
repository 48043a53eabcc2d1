"""What `UPSCALER_TRACE=1` prints: a line for each hook call, with its time and the plugin that was asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import pluggy


def trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call of a manager to standard error from now on."""
    began: list[float] = []

    def before(hook: str, asked: Sequence[pluggy.HookImpl], arguments: Mapping[str, object]) -> None:
        began.append(time.perf_counter())

    def after(
        answer: pluggy.Result[object], hook: str, asked: Sequence[pluggy.HookImpl], arguments: Mapping[str, object]
    ) -> None:
        took = 1e3 * (time.perf_counter() - began.pop())
        raised = f" raised {type(answer.exception).__name__}" if answer.exception else ""
        for implementation in asked:
            print(f"trace: {took:7.3f} ms {implementation.plugin_name} {hook}{raised}", file=sys.stderr)

    manager.add_hookcall_monitoring(before, after)
