"""The report of a run as one HTML page, which needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape

from upscaler_core.cli import words
from upscaler_core.cli.run_record import MARKS, Run
from upscaler_core.jobs.events import Failed, Result
from upscaler_core.pipeline.events import Finished

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d3d6dd, #454a55); --soft: light-dark(#f3f4f7, #22252c);
  --text: light-dark(#16181d, #e9ebf0); --quiet: light-dark(#555b68, #a9b0bf); --page: light-dark(#fff, #16181d);
  --own: light-dark(#64748b, #7d8ba1); --new: light-dark(#0d9488, #2dd4bf); --bad: light-dark(#b42318, #f97066);
  --warn: light-dark(#8a5a00, #f5b94a); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem clamp(.75rem, 3vw, 2rem); background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; } p { margin: .25rem 0; }
.quiet { font-weight: 400; color: var(--quiet); font-size: .875rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem .5rem 0; text-align: left; vertical-align: top; font-weight: 400; }
thead th { color: var(--quiet); font-size: .875rem; border-bottom: 1px solid var(--line); }
tbody tr { border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: 600; width: 32%; } .number { white-space: nowrap; }
.failed { color: var(--bad); font-weight: 600; } .note { color: var(--warn); font-size: .875rem; }
ul { margin: .25rem 0; padding-left: 1.1rem; } summary { cursor: pointer; }
.band { display: flex; height: .5rem; width: 100%; min-width: 8rem; margin: .35rem 0 .15rem; border-radius: .25rem;
  overflow: hidden; background: var(--soft); border: 1px solid var(--line); }
.band i { background: var(--own); } .band b { background: var(--new); }
.key i, .key b { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; vertical-align: -.1rem; }
.key i { background: var(--own); } .key b { background: var(--new); margin-left: .75rem; }
pre { overflow-x: auto; background: var(--soft); padding: .75rem; border-radius: .4rem; font-size: .8125rem; }
@media (max-width: 44rem) {
  thead { position: absolute; clip-path: inset(50%); } table, tbody, tr, th, td { display: block; }
  tbody tr { padding: .6rem 0; } th[scope=row] { width: auto; } th, td { padding: .1rem 0; }
  td[data-name]::before { content: attr(data-name) ": "; color: var(--quiet); font-size: .875rem; }
}
"""


def page(run: Run) -> str:
    """The page."""
    return "\n".join(_page(run))


def _page(run: Run) -> Iterator[str]:
    summary = run.summary
    yield f'{MARKS[0]}\n<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Report of a run</title>'
    yield f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main><h1>Report of a run</h1>'
    yield f"<p>{escape(_totals(run))}</p>"
    yield f'<p class="quiet">Ended {escape(summary["ended"])}. {escape(summary["program"])}.</p>'
    yield from _attention(run)
    yield "<h2>Files</h2>"
    yield '<p class="quiet key"><i></i> the recording’s own frequencies <b></b> restored</p>'
    heads = ("File", "What was done", "Rate", "Length", "Time taken")
    yield f"<table><thead><tr>{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr></thead><tbody>"
    for result in run.results:
        yield _row(result, run.names[result.source])
    yield "</tbody></table>"
    pipeline = json.dumps(summary["pipeline"], ensure_ascii=False, indent=2)
    yield f"<h2>Pipeline</h2><details><summary>Every option in force</summary><pre>{escape(pipeline)}</pre></details>"
    yield "</main></body></html>\n"


def _totals(run: Run) -> str:
    statuses = [words.status_of(result) for result in run.results]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    stopped = f" The run was stopped: {len(run.results)} of {run.files} files have a result."
    records = [record for result in run.results if (record := words.record_of(result))]
    audio = words.clock(sum(record.seconds for record in records))
    restored = sum(record.added for record in records)
    text = f"{counts or 'nothing to do'}; {audio} of audio, {restored} files restored; {words.clock(run.elapsed)}."
    return text + (stopped if len(run.results) < run.files else "")


def _attention(run: Run) -> Iterator[str]:
    """What a person should look at: failures and notes, before the long table."""
    failed = [(run.names[r.source], words.failure_of(r)) for r in run.results if isinstance(r, Failed)]
    noted = [(run.names[r.source], note) for r in run.results for note in words.notes_of(r)]
    for heading, entries in (("Failed", failed), ("Notes", noted)):
        if entries:
            lines = "".join(f"<li><strong>{_shown(name)}</strong>: {_shown(text)}</li>" for name, text in entries)
            yield f"<h2>{heading}</h2><ul>{lines}</ul>"


def _row(result: Result, name: str) -> str:
    record = words.record_of(result)
    if isinstance(result, Failed):
        done = f'<span class="failed">failed</span>: {_shown(words.failure_of(result))}'
        return f'<tr><th scope="row">{_shown(name)}</th><td colspan="4">{done}</td></tr>'
    status = words.status_of(result)
    output = f'<div class="quiet">→ {_shown(str(result.target))}</div>'
    head = f'<th scope="row">{_shown(name)}{output}</th>'
    if record is None:
        return f'<tr>{head}<td colspan="4">{escape(status)}: its output exists</td></tr>'
    earlier = ' <span class="quiet">(in an earlier run)</span>' if status == "skipped" else ""
    cells = [
        f"<td>{escape(words.decision_of(record))}{earlier}{_band(record)}{_reasons(record)}{_notes(result)}</td>",
        f'<td class="number" data-name="Rate">{record.rate_in / 1000:g} → {record.rate_out / 1000:g} kHz</td>',
        f'<td class="number" data-name="Length">{words.clock(record.seconds)}</td>',
        f'<td class="number" data-name="Time taken">{words.clock(record.elapsed)}</td>',
    ]
    return f"<tr>{head}{''.join(cells)}</tr>"


def _band(record: Finished) -> str:
    """A bar from 0 Hz to the output's Nyquist frequency: what was there, and what was restored."""
    if record.cutoff_hz is None or record.note == "silence":
        return ""
    top = record.rate_out / 2
    own = 100 * min(1.0, record.cutoff_hz / top)
    new = f'<b style="width:{100 - own:.1f}%"></b>' if record.added else ""
    return f'<div class="band" aria-hidden="true"><i style="width:{own:.1f}%"></i>{new}</div>'


def _reasons(record: Finished) -> str:
    """Why: in a sentence, or part by part."""
    if record.note == "silence" or not record.segments:
        return ""
    if len(record.segments) == 1:
        return f'<div class="quiet">{_shown(words.reason_of(record.segments[0]))}</div>'
    parts = "".join(
        f"<li>from {words.clock(part.start_s)}: {'restored' if part.added else 'left alone'}, "
        f"{escape(words.reason_of(part))}</li>"
        for part in record.segments
    )
    return f"<details><summary>{len(record.segments)} parts</summary><ul>{parts}</ul></details>"


def _notes(result: Result) -> str:
    return "".join(f'<div class="note">{_shown(note)}</div>' for note in words.notes_of(result))


def _shown(text: str) -> str:
    """A text in HTML. Control characters are shown, not obeyed."""
    return escape(words.printable(text))
