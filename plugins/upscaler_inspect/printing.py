"""Prints what is known about a file, for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from upscaler_core.cli import clock, doubt_about
from upscaler_core.dsp import LOW_CONFIDENCE, Bandwidth
from upscaler_inspect.inspection import Inspection
from upscaler_inspect.verdict import STEEP_DB_PER_OCTAVE, origin_of

MOST_PARTS = 20
"""Parts of a file that are listed. The JSON has all of them."""
WIDTH = 80
"""Columns within which lines are kept where that is possible."""
ABOVE = {"noise": "noise above it", "images": "mirror images above it"}


def print_inspection(result: Inspection, last: bool) -> None:
    """Print all about one file."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(str(result.path))}[/]")
    for name, value in _rows(result):
        console.print(f"  [dim]{name:<11}[/]  {value}")
    verdict, advice = str(result.verdict), result.verdict.advice
    if len(verdict) > WIDTH - 4 and advice:
        verdict = f"{verdict.removesuffix(advice).rstrip()}\n    {advice}"
    console.print(f"  [cyan]→ {escape(verdict)}[/]")
    if not (result.silent or result.is_restored) and (
        doubt := doubt_about(result.unsure, len(result.track.segments), result.info.rate)
    ):
        console.print(f"  [yellow]→ {doubt}[/]")
    if not last:
        console.print()


def _rows(result: Inspection) -> Iterator[tuple[str, str]]:
    """Names and values, as markup. A row without a name goes on with the one above."""
    info, levels = result.info, result.levels
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    if info.channels > 2 and info.layout:
        channels += f" ({' '.join(info.layout)})"
    loudness = "not measurable" if levels.loudness is None else f"{levels.loudness:.1f} LUFS"
    yield "format", f"{escape(info.format)}, {info.rate / 1000:g} kHz, {channels}, {clock(result.seconds)}"
    yield "level", f"peak {levels.peak_db:.1f} dBFS, true peak {levels.true_peak_db:.1f} dBTP, {loudness}"
    if result.made_by:
        yield "made by", escape(str(result.made_by))
    if result.damage:
        yield "damage", f"[yellow]{escape(result.damage)}[/]"
    for warning in result.warnings:
        yield "warning", f"[yellow]{escape(warning)}[/]"
    if result.exceeds_full_scale:
        yield "above 0 dB", f"{levels.full_scale:,} samples, not clipped; `upscaler enhance` lowers them (--headroom)"
    elif levels.full_scale:
        runs = f"{levels.clipped_runs:,} stretches of 3 and more" if levels.clipped_runs else "none in a row"
        yield "clipping", f"[yellow]{levels.full_scale:,} samples at full scale, {runs}[/]"
    if abs(levels.dc) > 10 ** (-60 / 20):
        yield "DC offset", f"{100 * levels.dc:.2f} % of full scale"
    if levels.bits is not None and info.bits is not None and levels.bits < info.bits:
        yield "bits in use", f"{levels.bits} of {info.bits}"
    if result.track.is_constant and (edge := _edge(result.bandwidth)):
        yield "content", edge
    yield from _parts(result)


def _edge(found: Bandwidth) -> str:
    """Text such as `ends sharply at 8.0 kHz, 93 % sure`; empty where nothing is known."""
    sure = [f"{100 * found.confidence:.0f} % sure"] if says_how_sure(found) else []
    if not found.has_edge:  # a doubt is told at the end
        return ", ".join(["has no edge", *sure]) if sure and found.confidence >= LOW_CONFIDENCE else ""
    how = "sharply" if found.slope >= STEEP_DB_PER_OCTAVE else "gradually"
    facts = [f"ends {how} at {found.cutoff_hz / 1000:.1f} kHz"]
    facts += [ABOVE[found.above]] if found.above in ABOVE else []
    return ", ".join(facts + sure)


def says_how_sure(found: Bandwidth) -> bool:
    """Whether the confidence is measured. Rules by hand, and the user, name no cause and are always sure."""
    return found.cause != "unknown" or found.confidence < 1


def _parts(result: Inspection) -> Iterator[tuple[str, str]]:
    """A row for each part of a file that has several."""
    if result.track.is_constant:
        return
    parts = list(result.parts)
    for number, (start, _, segment) in enumerate(parts[:MOST_PARTS]):
        found = segment.bandwidth
        origin = origin_of(found, result.info.rate, result.given)
        sure = f"  {100 * found.confidence:.0f} % sure" if says_how_sure(found) else ""
        place = f"from {clock(start):>7}  to {found.cutoff_hz / 1000:4.1f} kHz"
        yield "" if number else "parts", f"{place}  {origin.short}{sure}"
    if len(parts) > MOST_PARTS:
        yield "", f"… and {len(parts) - MOST_PARTS} more, which --json lists"
