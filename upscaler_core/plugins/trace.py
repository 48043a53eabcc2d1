"""With `UPSCALER_TRACE=1`, a line is printed for each hook call: its time, the plugin and the hook."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import pluggy


def trace(manager: pluggy.PluginManager) -> None:
    """Print every hook call of a manager to standard error from now on."""
    starts: list[float] = []

    def before(hook: str, called: Sequence[pluggy.HookImpl], arguments: Mapping[str, object]) -> None:
        starts.append(time.perf_counter())

    def after(
        outcome: pluggy.Result[object], hook: str, called: Sequence[pluggy.HookImpl], arguments: Mapping[str, object]
    ) -> None:
        milliseconds = 1e3 * (time.perf_counter() - starts.pop())
        raised = f" raised {type(outcome.exception).__name__}" if outcome.exception else ""
        for implementation in called:
            print(f"trace: {milliseconds:7.3f} ms {implementation.plugin_name} {hook}{raised}", file=sys.stderr)

    manager.add_hookcall_monitoring(before, after)
