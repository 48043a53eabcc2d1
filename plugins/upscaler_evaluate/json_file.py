"""Writes the scores as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from upscaler_core.files import atomic_write


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file completely or not at all. NaN and infinity become null.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps({"version": 1, **_without_nan(content)}, indent=1, allow_nan=False) + "\n"
    with atomic_write(path) as part:
        part.write_text(text, "utf-8")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
