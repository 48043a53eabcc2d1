"""The page: tables to read, spectrograms to see, excerpts to hear; one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from torch import Tensor

from upscaler_core import UpscalerError
from upscaler_core.files import atomic_write
from upscaler_core.plugins import Metric
from upscaler_evaluate.clips import Clip, read
from upscaler_evaluate.image import levels, render
from upscaler_evaluate.judge import APART_HZ, NULL, Evaluator
from upscaler_evaluate.numbers import ACCEPTABLE_SSIM, BANDS, Row, beats, cell, heading, kilohertz, verdicts

EXCERPT_SECONDS = 10.0
SOUND_BYTES = 6_000_000
"""Of all excerpts together, about: they get shorter where there are many."""
OGG_QUALITY, OGG_BYTES = 6.0, 16_000
"""The lowest quality that keeps the treble, and its bytes a second and channel, as text."""

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#c9ccd3, #454a55); --soft: light-dark(#f3f4f7, #22252c);
  --text: light-dark(#16181d, #e9ebf0); --quiet: light-dark(#555b68, #a9b0bf); --page: light-dark(#fff, #16181d); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem clamp(.75rem, 3vw, 2rem); background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; } p { max-width: 46rem; margin: .5rem 0; }
.quiet, figcaption span { color: var(--quiet); font-size: .875rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; margin: .75rem 0; }
.wide:focus-visible { outline: 3px solid #3b82f6; outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .5rem .7rem; font-weight: 600; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; font-weight: 400; }
th[scope=row], th.left, td.left { text-align: left; }
thead th, th[scope=rowgroup] { white-space: normal; }
thead th { border-bottom: 1px solid var(--line); color: var(--quiet); vertical-align: bottom; }
tbody { border-bottom: 1px solid var(--line); } tbody:last-child { border-bottom: 0; }
tr.null { background: var(--soft); } td.better { font-weight: 700; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17.5rem), 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .9rem; margin-bottom: .25rem; }
figure div { position: relative; } img { display: block; width: 100%; height: auto; border-radius: .3rem;
  background: #000; }
i { position: absolute; left: .3rem; color: #fff; font: .75rem/1.2 system-ui, sans-serif; background: #000a;
  padding: 0 .2rem; }
i.top { top: .2rem; } i.cut { left: 0; right: 0; border-top: 1px dashed #fff; background: none; padding-left: .5rem; }
audio { width: 100%; height: 2.25rem; margin-top: .35rem; }
"""


def write_page(path: Path, judge: Evaluator, clips: Sequence[Clip], table: Sequence[Row]) -> None:
    """Write the page.

    Args:
        path: where to; replaced.
        judge: what judged, for the systems' output.
        clips: the recordings; the first one of each kind that can be shown is.
        table: the means.

    Raises:
        OutputError: it cannot be written.
    """
    page = "\n".join(_page(judge, clips, table))
    with atomic_write(path) as part:
        part.write_text(page, "utf-8")


def _page(judge: Evaluator, clips: Sequence[Clip], table: Sequence[Row]) -> Iterator[str]:
    task = judge.task
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation</title>'
    yield f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main><h1>Evaluation</h1>'
    yield (
        f"<p>Judged: {escape(', '.join([*judge.pipelines, 'the resampler alone']))}, and a null system beside them. Each "
        f"recording was taken down to twice the cut-off by {escape(task.down)} and restored to its own rate; the figures "
        "are means over channels, then recordings.</p>"
        "<p>The <strong>null</strong> is tilted noise that has learned nothing. A model that does not beat it clearly has "
        "learned nothing either, whatever its log-spectral distance. <strong>Bold</strong> figures beat the null.</p>"
    )
    yield "<h2>Scores</h2>"
    metrics = judge.metrics[task.cutoffs[0]]
    for cutoff, group in groupby(table, key=lambda row: row.cutoff_hz):
        yield from _scores(cutoff, list(group), metrics)
    yield (
        f'<p class="quiet">“all” is every recording of up to {kilohertz(APART_HZ)}; the number of recordings stands in '
        "brackets. An arrow points to where better is.</p>"
    )
    yield from _verdicts(table)
    yield from _listening(judge, clips, table)
    yield "</main></body></html>\n"


def _scores(cutoff: int, table: Iterable[Row], metrics: Mapping[str, Metric]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{escape(heading(name, metric))}</th>' for name, metric in metrics.items())
    yield f'<div class="wide" tabindex="0" role="region" aria-label="Scores at {kilohertz(cutoff)}"><table>'
    yield f"<caption>Cut-off {kilohertz(cutoff)}</caption><thead><tr>"
    yield f'<th scope="col" class="left">kind</th><th scope="col" class="left">system</th>{heads}</tr></thead>'
    for kind, group in groupby(table, key=lambda row: row.kind):
        rows = list(group)
        null = next(row for row in rows if row.system == NULL)
        yield "<tbody>"
        for index, row in enumerate(rows):
            first = f'<th scope="rowgroup" class="left" rowspan="{len(rows)}">{escape(kind)} ({row.clips})</th>'
            values = "".join(_value(row, null, name, metric) for name, metric in metrics.items())
            yield _line(row.system) + ("" if index else first)
            yield f'<th scope="row">{escape(row.system)}</th>{values}</tr>'
        yield "</tbody>"
    yield "</table></div>"


def _line(system: str) -> str:
    """A row's opening tag."""
    return '<tr class="null">' if system == NULL else "<tr>"


def _value(row: Row, null: Row, name: str, metric: Metric) -> str:
    better = ' class="better"' if beats(row, null, name, metric) else ""
    return f"<td{better}>{cell(row.values[name])}</td>"


def _verdicts(table: Sequence[Row]) -> Iterator[str]:
    lines = verdicts(table)
    if not lines:
        return
    bands = ", ".join(f"below {limit:g} {word}" for limit, word in BANDS)
    yield "<h2>In the white paper’s words</h2>"
    yield (
        f"<p>Log-spectral distance (§5.1): {bands}, otherwise minimal. SSIM (§5.2): above {ACCEPTABLE_SSIM} acceptable. "
        "Means over all recordings. The paper’s formula to the letter is on magnitudes, and half of the distance on power "
        "that others publish. See what the null is called before you trust the words.</p>"
    )
    yield '<div class="wide" tabindex="0" role="region" aria-label="Verdicts"><table><thead><tr>'
    yield "".join(f'<th scope="col" class="left">{escape(name)}</th>' for name in lines[0]) + "</tr></thead><tbody>"
    for line in lines:
        yield (
            _line(line["system"]) + "".join(f'<td class="left">{escape(text)}</td>' for text in line.values()) + "</tr>"
        )
    yield "</tbody></table></div>"


def _listening(judge: Evaluator, clips: Sequence[Clip], table: Sequence[Row]) -> Iterator[str]:
    cutoff = judge.task.cutoffs[len(judge.task.cutoffs) // 2]
    shown = list(_shown(judge, clips, cutoff))
    systems = len({row.system for row in table}) + 1
    channels = systems * sum(reference.shape[0] for _, reference, _ in shown)
    seconds = min(EXCERPT_SECONDS, SOUND_BYTES / (OGG_BYTES * max(1, channels)))
    yield f"<h2>Look and listen: cut-off {kilohertz(cutoff)}</h2>"
    yield (
        f"<p>One recording of each kind, {seconds:.0f} seconds from its middle, Ogg Vorbis at q{OGG_QUALITY:g}. The dashed "
        "line is the cut-off; what stands above it was invented. Black is 80 dB under the recording’s brightest point.</p>"
    )
    for clip, reference, rate in shown:
        yield f'<h3>{escape(clip.kind)}: {escape(clip.path.name)}</h3><div class="clips">'
        whole = [("recording", reference), *judge.estimates(reference, rate, cutoff)]
        begin = max(0, round(reference.shape[-1] / 2 - seconds * rate / 2))
        parts = [(name, x[:, begin : min(begin + round(seconds * rate), reference.shape[-1])]) for name, x in whole]
        brightest = float(levels(parts[0][1]).max())
        gain = min(1.0, 0.98 / max(float(part.abs().max()) for _, part in parts))
        for name, part in parts:
            yield from _figure(judge, name, clip, part, rate, cutoff, brightest, gain)
        yield "</div>"


def _shown(judge: Evaluator, clips: Sequence[Clip], cutoff: int) -> Iterator[tuple[Clip, Tensor, int]]:
    """The first readable recording of each kind that reaches beyond the cut-off."""
    seen: set[str] = set()
    for clip in clips:
        if clip.kind not in seen:
            try:
                reference, rate = read(clip.path, judge.registry)
            except UpscalerError:
                continue  # it was told of before
            if 2 * cutoff < rate:
                seen.add(clip.kind)
                yield clip, reference, rate


def _figure(
    judge: Evaluator, name: str, clip: Clip, part: Tensor, rate: int, cutoff: int, brightest: float, gain: float
) -> Iterator[str]:
    seen = _data("image/png", render(levels(part), brightest))
    told = f"Spectrogram of {clip.path.name}, {name}: 0 to {rate / 2000:g} kHz over {part.shape[-1] / rate:.1f} seconds"
    yield f"<figure><figcaption>{escape(name)}</figcaption><div>"
    yield f'<img src="{seen}" alt="{escape(told)}" width="480" height="192"><i class="top">{rate / 2000:g} kHz</i>'
    yield f'<i class="cut" style="top:{100 - 200 * cutoff / rate:.1f}%">{kilohertz(cutoff)}</i></div>'
    if sound := _ogg(judge, gain * part, rate):
        label = escape(f"{clip.path.name}, {name}")
        yield f'<audio controls preload="none" aria-label="{label}" src="{_data("audio/ogg", sound)}"></audio>'
    yield "</figure>"


def _ogg(judge: Evaluator, x: Tensor, rate: int) -> bytes:
    """`[channel, time]` as Ogg Vorbis; empty where that cannot hold it."""
    exporter = judge.registry.exporter("ogg", quality=OGG_QUALITY)
    if exporter.refuse(rate, x.shape[0]):
        return b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "excerpt.ogg"
        with exporter.open(path, rate, x.shape[0]) as sink:
            sink.write(x)
        return path.read_bytes()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
