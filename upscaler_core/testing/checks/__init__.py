"""The contracts: the rules of each kind's protocol, as checks that can fail. One module for each kind."""

from upscaler_core.testing.checks import (  # noqa: F401 - importing a module registers its checks
    command,
    degradation,
    detector,
    exporter,
    finisher,
    fusion,
    loss,
    metric,
    model,
    reader,
    resampler,
)
