"""The report: one HTML page with the result, the importance of each option, and every trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from upscaler_core.files import atomic_write
from upscaler_tune.charts import bars, history, parallel
from upscaler_tune.display import format_value, state
from upscaler_tune.search_space import SearchSpace
from upscaler_tune.trial_queue import counted

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#c9ccd3, #454a55); --text: light-dark(#16181d, #e9ebf0);
  --quiet: light-dark(#555b68, #a9b0bf); --page: light-dark(#fff, #16181d); --mark: light-dark(#1d4ed8, #8ab4ff); }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem clamp(.75rem, 3vw, 2rem); background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; } .quiet { color: var(--quiet); font-size: .875rem; }
.wide { overflow-x: auto; } svg { display: block; max-width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); stroke: var(--page); stroke-width: 3px; paint-order: stroke; }
svg .axis { stroke: var(--line); } svg .best { stroke: var(--mark); stroke-width: 3; }
svg .record { stroke: var(--mark); stroke-dasharray: 4; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 400; } tr.best td { font-weight: 700; } td.left { text-align: left; }
"""


def summary(study: optuna.Study, space: SearchSpace, metric: str) -> dict[str, Any]:
    """The result of a study as JSON: the best trial, every trial, and the importance of each option."""
    trials = counted(study.get_trials(deepcopy=False))
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return {
        "study": study.study_name,
        "metric": metric,
        "higher_is_better": study.direction == StudyDirection.MAXIMIZE,
        "best": _describe(study.best_trial) if completed else None,
        "importances": _importances(study, space, completed),
        "trials": [_describe(trial) for trial in trials],
    }


def _describe(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": state(trial),
        "score": trial.value,
        "values": trial.params,
        "scores": [score if math.isfinite(score) else None for score in trial.intermediate_values.values()],
        "seconds": round(trial.duration.total_seconds(), 1) if trial.duration else None,
    }


def _importances(study: optuna.Study, space: SearchSpace, completed: Sequence[FrozenTrial]) -> dict[str, float]:
    """Each option's share in what decides the score (PED-ANOVA, Watanabe et al. 2023); none if all scores are equal."""
    varied = [name for name in space if len({trial.params.get(name) for trial in completed}) > 1]
    if len({trial.value for trial in completed}) < 2 or not varied:
        return {}
    importances = optuna.importance.get_param_importances(study, params=varied)
    return {name: round(share, 4) for name, share in importances.items()}


def write_report(path: Path, result: Mapping[str, Any]) -> None:
    """Write the page for a result that `summary` returned."""
    with atomic_write(path) as part:
        part.write_text("\n".join(_page(result)), encoding="utf-8")


def _page(result: Mapping[str, Any]) -> Iterator[str]:
    title, metric, trials = f"Study {result['study']}", result["metric"], result["trials"]
    best = result["best"]
    names = list(trials[0]["values"]) if trials else []
    done = [trial for trial in trials if trial["state"] == "done"]
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body><main>'
    yield f"<h1>{escape(title)}</h1>"
    yield f"<p>{len(trials)} trials, {len(done)} of them trained to their end, by {escape(metric)}"
    yield f" ({'higher' if result['higher_is_better'] else 'lower'} is better).</p>"
    if best:
        values = ", ".join(
            f"{escape(name)} <strong>{escape(format_value(value))}</strong>" for name, value in best["values"].items()
        )
        yield f"<p>Best: <strong>{best['score']:.4f}</strong>, trial {best['trial']}: {values}. Its recipe is best.yaml.</p>"
        yield "<h2>Course</h2>"
        yield _chart(history(done, best["trial"], metric, result["higher_is_better"]))
    yield "<h2>What matters</h2>"
    if result["importances"]:
        yield '<p class="quiet">Each option’s share of what decides whether a trial is among the good ones (PED-ANOVA).</p>'
        yield _chart(bars(result["importances"]))
    else:
        yield "<p>Too few trials were trained to their end to say.</p>"
    if best:
        yield "<h2>Every trial</h2>"
        yield '<p class="quiet">Lines are trials that were trained to their end; the thick one is the best.</p>'
        yield _chart(parallel(done, names, best["trial"], metric, result["higher_is_better"]))
    yield from _table(trials, names, metric, best["trial"] if best else None)
    yield "</main></body></html>\n"


def _chart(svg: str) -> str:
    return f'<div class="wide">{svg}</div>'


def _table(trials: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str, best: int | None) -> Iterator[str]:
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("trial", *names, "scorings", metric, "seconds", "state"))
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    for trial in trials:
        values = [format_value(trial["values"].get(name)) for name in names]
        score = "" if trial["score"] is None else f"{trial['score']:.4f}"
        cells = [str(trial["trial"]), *values, str(len(trial["scores"])), score, format_value(trial["seconds"])]
        row = '<tr class="best">' if trial["trial"] == best else "<tr>"
        yield (
            row
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f'<td class="left">{escape(trial["state"])}</td></tr>'
        )
    yield "</tbody></table></div>"
