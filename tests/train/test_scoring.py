"""Validation: what the models' conditions are for the scored inputs."""

from __future__ import annotations

import pytest
import torch

from upscaler_core import Estimate, discover
from upscaler_core.dsp import measure_bandwidth
from upscaler_core.pipeline import EnhancementStep
from upscaler_train.recipe import ScoringSpec
from upscaler_train.scoring import Scoring
from upscaler_train.training_system import System

RATE = 48_000


def test_the_cutoff_of_a_scored_input_is_where_a_measurement_finds_its_edge(recordings):
    """Once they got the lower rate's Nyquist frequency, 3 % above it, and what was scored could not occur in use."""
    cutoffs = []

    class Spy:
        rate, length_multiple, receptive_field = RATE, 1, 0

        def __call__(self, baseline, conditions):
            cutoffs.append(float(conditions.cutoff_hz))
            return Estimate(baseline)

    resample = discover().resampler("poly-sinc-hq")
    spec = ScoringSpec(cutoffs=[4_000, 8_000])
    scoring = Scoring(spec, recordings[:1], discover().metric("lsd"), resample, RATE, 3 * RATE, 1)
    scoring.score(System(EnhancementStep({"spy": Spy()})), torch.device("cpu"))
    measured = [measure_bandwidth(scoring.clips[0].inputs[cutoff][0].split(4_096, -1), RATE) for cutoff in spec.cutoffs]
    assert cutoffs == pytest.approx([edge.cutoff_hz for edge in measured], rel=0.015)
