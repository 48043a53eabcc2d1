"""A run as people see it."""

from __future__ import annotations

import pytest

from upscaler_train.display import Throughput


def test_throughput_counts_training_and_waiting_apart(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    throughput = Throughput(first_step=10, steps=30, batch=4)
    assert throughput.remaining_seconds is None
    for _ in range(5):
        throughput.count_step(waiting_seconds=1.0)
    throughput.pause(10.0)
    now = 130.0
    assert throughput.excerpts_per_second == pytest.approx(1.0)  # 5 steps of 4 excerpts in 20 seconds
    assert throughput.waiting_share == pytest.approx(0.25)
    assert throughput.remaining_seconds == pytest.approx(90.0)
    assert str(throughput) == "1.0 excerpts/s · 25% waiting for data · 1:30 left"
