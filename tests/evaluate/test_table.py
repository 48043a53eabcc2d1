"""The table of scores on a terminal of 80 columns."""

from rich.console import Console

from upscaler_evaluate import table
from upscaler_evaluate.evaluator import NULL
from upscaler_evaluate.formatting import heading
from upscaler_evaluate.mean_scores import MeanScores

NAMES = ("lsd", "lsd-hf", "modulation-error", "envelope-error", "si-sdr", "low-band-snr", "level-change")


class Metric:
    unit, higher_is_better = "dB", False


def lines(width, monkeypatch, capsys):
    metrics = {name: Metric() for name in NAMES}
    means = [
        MeanScores(4_000, kind, system, 7, dict.fromkeys(NAMES, value))
        for kind in ("all", "speech")
        for system, value in (("resampler alone", 3.14), ("restore", 1.0), ("pipelines/mine.yaml", 9.99), (NULL, 2.0))
    ]
    monkeypatch.setattr(table, "Console", lambda **_: Console(width=width, force_terminal=True, color_system=None))
    table.print_tables(means, metrics)
    return capsys.readouterr().out.splitlines(), metrics


def test_metrics_are_rows_where_columns_do_not_fit(monkeypatch, capsys):
    narrow, metrics = lines(80, monkeypatch, capsys)
    assert all(len(line) <= 80 for line in narrow) and "…" not in "".join(narrow)
    for name, metric in metrics.items():
        rows = [line for line in narrow if line.strip().startswith(heading(name, metric))]
        assert [row.split()[-4:] for row in rows] == [["3.14", "1.00", "9.99", "2.00"]] * 2
    wide, metrics = lines(200, monkeypatch, capsys)
    assert any(all(heading(name, metric) in line for name, metric in metrics.items()) for line in wide)
