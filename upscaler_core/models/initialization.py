"""Initial weights that are always the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fixed_initialization() -> Iterator[None]:
    """Make random initial weights the same at every call. The state of torch's own generator does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield
