"""The object of one file in `upscaler inspect --json`."""

from __future__ import annotations

import math
from typing import Any

from upscaler_core.dsp import Bandwidth
from upscaler_inspect.inspection import Inspection


def record(result: Inspection) -> dict[str, Any]:
    """All facts about a file. A value that does not exist, such as the level of silence, is null."""
    info, levels, origin, verdict, restoration = (
        result.info,
        result.levels,
        result.origin,
        result.verdict,
        result.restoration,
    )
    return {
        "file": str(result.path),
        "status": "damaged" if result.damage else "ok",
        "damage": result.damage,
        "warnings": list(result.warnings),
        "format": info.format,
        "rate_hz": info.rate,
        "channels": info.channels,
        "layout": list(info.layout),
        "frames": levels.frames,
        "seconds": result.seconds,
        "bits": info.bits,
        "floating": info.floating,
        "bits_used": levels.bits,
        "peak_dbfs": _finite(levels.peak_db),
        "true_peak_dbtp": _finite(levels.true_peak_db),
        "loudness_lufs": levels.loudness,
        "full_scale_samples": levels.full_scale,
        "clipped_runs": 0 if result.exceeds_full_scale else levels.clipped_runs,
        "dc": levels.dc,
        **_edge(result.bandwidth),
        "confidence": result.confidence,
        "cutoff_given": result.given,
        "segments": [
            {"start_s": start, "end_s": end, **_edge(segment.bandwidth), "confidence": segment.bandwidth.confidence}
            for start, end, segment in result.parts
        ],
        "lossy": origin.lossy,
        "upsampled_from_hz": origin.source_rate,
        "made_by": str(result.made_by) if result.made_by else None,
        "restored_by": restoration.program if restoration else None,
        "restored_above_hz": restoration.above_hz if restoration else None,
        "looks": verdict.looks,
        "advice": verdict.advice,
        "verdict": str(verdict),
    }


def _edge(bandwidth: Bandwidth) -> dict[str, Any]:
    return {
        "cutoff_hz": bandwidth.cutoff_hz,
        "edge": bandwidth.has_edge,
        "edge_drop_db": bandwidth.drop_db if bandwidth.has_edge else None,
        "edge_slope_db_per_octave": bandwidth.slope if bandwidth.has_edge else None,
        "cause": bandwidth.cause,
        "above_edge": bandwidth.above,
        "codec": bandwidth.codec or None,
        "kbps": bandwidth.kbps,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
