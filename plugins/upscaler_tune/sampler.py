"""Random values for each trial, by the seed of the study and the number of the trial.

Optuna's samplers expect to be created once for a study. If a study continues or a second process joins it, a new sampler
with the same seed draws the same values again.
"""

from __future__ import annotations

import hashlib
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial


class SeededSampler(BaseSampler):
    """A tree-structured Parzen estimator (Bergstra et al. 2011) with a new seed for each trial.

    Args:
        seed: the seed of the study.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.inner: BaseSampler = TPESampler(seed=0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make a sampler whose seed depends on the number of the trial."""
        digest = hashlib.sha256(f"{self.seed}/{trial.number}".encode()).digest()
        self.inner = TPESampler(seed=int.from_bytes(digest[:4], "big"))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The options that are drawn together."""
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the values of these options."""
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw the value of one option alone, as in the first trials."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)
