"""The report: one self-contained HTML file with tables, spectrograms and audio excerpts."""

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
from upscaler_evaluate.evaluator import MEAN_LIMIT_HZ, NULL, Evaluator
from upscaler_evaluate.formatting import format_khz, format_number, heading
from upscaler_evaluate.mean_scores import MeanScores, beats_null
from upscaler_evaluate.references import ReferenceRecording, read_recording
from upscaler_evaluate.spectrogram_image import levels, render
from upscaler_evaluate.verdicts import ACCEPTABLE_SSIM, LSD_VERDICTS, verdicts

EXCERPT_SECONDS = 10.0
"""Greatest length of an excerpt."""
SOUND_BYTES = 6_000_000
"""Approximate size of all excerpts together. If there are many, they get shorter."""
OGG_QUALITY, OGG_BYTES = 6.0, 16_000
"""The lowest quality that keeps the treble, and its size in bytes of Base64 text for a second of a channel."""

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


def write_report(
    path: Path, evaluator: Evaluator, references: Sequence[ReferenceRecording], means: Sequence[MeanScores]
) -> None:
    """Write the report.

    Args:
        path: the file to write; an existing one is replaced.
        evaluator: computes the output of the systems.
        references: all recordings; the report has the first of each kind that can be read and reaches above the cut-off.
        means: the mean scores.

    Raises:
        OutputError: it cannot be written.
    """
    page = "\n".join(_page(evaluator, references, means))
    with atomic_write(path) as part:
        part.write_text(page, "utf-8")


def _page(evaluator: Evaluator, references: Sequence[ReferenceRecording], means: Sequence[MeanScores]) -> Iterator[str]:
    settings = evaluator.settings
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation</title>'
    yield f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main><h1>Evaluation</h1>'
    yield (
        f"<p>Judged: {escape(', '.join([*evaluator.pipelines, 'the resampler alone']))}, and a null system beside them. "
        f"Each recording was taken down to twice the cut-off by {escape(settings.down)} and restored to its own rate; the "
        "figures are means over channels, then recordings.</p>"
        "<p>The <strong>null</strong> is tilted noise that has learned nothing. A model that does not beat it clearly has "
        "learned nothing either, whatever its log-spectral distance. <strong>Bold</strong> figures beat the null.</p>"
    )
    yield "<h2>Scores</h2>"
    metrics = evaluator.metrics[settings.cutoffs[0]]
    for cutoff, group in groupby(means, key=lambda row: row.cutoff_hz):
        yield from _score_table(cutoff, list(group), metrics)
    yield (
        f'<p class="quiet">“all” is every recording of up to {format_khz(MEAN_LIMIT_HZ)}; the number of recordings stands '
        "in brackets. An arrow points to where better is.</p>"
    )
    yield from _verdict_table(means)
    yield from _excerpts(evaluator, references, means)
    yield "</main></body></html>\n"


def _score_table(cutoff: int, means: Iterable[MeanScores], metrics: Mapping[str, Metric]) -> Iterator[str]:
    heads = "".join(f'<th scope="col">{escape(heading(name, metric))}</th>' for name, metric in metrics.items())
    yield f'<div class="wide" tabindex="0" role="region" aria-label="Scores at {format_khz(cutoff)}"><table>'
    yield f"<caption>Cut-off {format_khz(cutoff)}</caption><thead><tr>"
    yield f'<th scope="col" class="left">kind</th><th scope="col" class="left">system</th>{heads}</tr></thead>'
    for kind, group in groupby(means, key=lambda row: row.kind):
        rows = list(group)
        null = next(row for row in rows if row.system == NULL)
        yield "<tbody>"
        for index, row in enumerate(rows):
            first = f'<th scope="rowgroup" class="left" rowspan="{len(rows)}">{escape(kind)} ({row.clips})</th>'
            values = "".join(_cell(row, null, name, metric) for name, metric in metrics.items())
            yield _row_tag(row.system) + ("" if index else first)
            yield f'<th scope="row">{escape(row.system)}</th>{values}</tr>'
        yield "</tbody>"
    yield "</table></div>"


def _row_tag(system: str) -> str:
    """The opening tag of a table row."""
    return '<tr class="null">' if system == NULL else "<tr>"


def _cell(row: MeanScores, null: MeanScores, name: str, metric: Metric) -> str:
    better = ' class="better"' if beats_null(row, null, name, metric) else ""
    return f"<td{better}>{format_number(row.values[name])}</td>"


def _verdict_table(means: Sequence[MeanScores]) -> Iterator[str]:
    lines = verdicts(means)
    if not lines:
        return
    bands = ", ".join(f"below {limit:g} {word}" for limit, word in LSD_VERDICTS)
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
            _row_tag(line["system"])
            + "".join(f'<td class="left">{escape(text)}</td>' for text in line.values())
            + "</tr>"
        )
    yield "</tbody></table></div>"


def _excerpts(
    evaluator: Evaluator, references: Sequence[ReferenceRecording], means: Sequence[MeanScores]
) -> Iterator[str]:
    cutoff = evaluator.settings.cutoffs[len(evaluator.settings.cutoffs) // 2]
    examples = list(_examples(evaluator, references, cutoff))
    systems = len({row.system for row in means}) + 1
    channels = systems * sum(samples.shape[0] for _, samples, _ in examples)
    seconds = min(EXCERPT_SECONDS, SOUND_BYTES / (OGG_BYTES * max(1, channels)))
    yield f"<h2>Look and listen: cut-off {format_khz(cutoff)}</h2>"
    yield (
        f"<p>One recording of each kind, {seconds:.0f} seconds from its middle, Ogg Vorbis at q{OGG_QUALITY:g}. The dashed "
        "line is the cut-off; what stands above it was invented. Black is 80 dB under the recording’s brightest point.</p>"
    )
    for reference, samples, rate in examples:
        yield f'<h3>{escape(reference.kind)}: {escape(reference.path.name)}</h3><div class="clips">'
        signals = [("recording", samples), *evaluator.estimates(samples, rate, cutoff)]
        begin = max(0, round(samples.shape[-1] / 2 - seconds * rate / 2))
        end = min(begin + round(seconds * rate), samples.shape[-1])
        excerpts = [(name, x[:, begin:end]) for name, x in signals]
        brightest = float(levels(excerpts[0][1]).max())
        gain = min(1.0, 0.98 / max(float(x.abs().max()) for _, x in excerpts))
        for name, x in excerpts:
            image = render(levels(x), brightest)
            sound = _ogg(evaluator, gain * x, rate)
            yield from _figure(reference.path.name, name, image, sound, x.shape[-1] / rate, rate, cutoff)
        yield "</div>"


def _examples(
    evaluator: Evaluator, references: Sequence[ReferenceRecording], cutoff: int
) -> Iterator[tuple[ReferenceRecording, Tensor, int]]:
    """The first readable recording of each kind that reaches above the cut-off, with its samples and sample rate."""
    kinds: set[str] = set()
    for reference in references:
        if reference.kind not in kinds:
            try:
                samples, rate = read_recording(reference.path, evaluator.registry)
            except UpscalerError:
                continue  # the evaluation has reported it already
            if 2 * cutoff < rate:
                kinds.add(reference.kind)
                yield reference, samples, rate


def _figure(
    file: str, system: str, image: bytes, sound: bytes, seconds: float, rate: int, cutoff: int
) -> Iterator[str]:
    description = f"Spectrogram of {file}, {system}: 0 to {rate / 2000:g} kHz over {seconds:.1f} seconds"
    yield f"<figure><figcaption>{escape(system)}</figcaption><div>"
    yield (
        f'<img src="{_data_url("image/png", image)}" alt="{escape(description)}" width="480" height="192">'
        f'<i class="top">{rate / 2000:g} kHz</i>'
    )
    yield f'<i class="cut" style="top:{100 - 200 * cutoff / rate:.1f}%">{format_khz(cutoff)}</i></div>'
    if sound:
        label = escape(f"{file}, {system}")
        yield f'<audio controls preload="none" aria-label="{label}" src="{_data_url("audio/ogg", sound)}"></audio>'
    yield "</figure>"


def _ogg(evaluator: Evaluator, x: Tensor, rate: int) -> bytes:
    """`[channel, time]` as Ogg Vorbis; empty if the format cannot hold this rate or number of channels."""
    exporter = evaluator.registry.exporter("ogg", quality=OGG_QUALITY)
    if exporter.refuse(rate, x.shape[0]):
        return b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "excerpt.ogg"
        with exporter.open(path, rate, x.shape[0]) as sink:
            sink.write(x)
        return path.read_bytes()


def _data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
