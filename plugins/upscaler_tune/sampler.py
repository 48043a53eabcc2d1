"""Draws each trial's values by the study's seed and the trial's own number.

Optuna's samplers count on being made once: made anew, as when a study goes on or a second process joins it, one with a
seed draws again what it drew before.
"""

from __future__ import annotations

import hashlib
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial


class SeededSampler(BaseSampler):
    """Tree-structured Parzen estimators (Bergstra et al. 2011), begun anew for each trial.

    Args:
        seed: the study's.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.inner: BaseSampler = TPESampler(seed=0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed by the trial's number."""
        digest = hashlib.sha256(f"{self.seed}/{trial.number}".encode()).digest()
        self.inner = TPESampler(seed=int.from_bytes(digest[:4], "big"))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What is drawn together."""
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw what is drawn together."""
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one value alone, as the first trials do."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)
