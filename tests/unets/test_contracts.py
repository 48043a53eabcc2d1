"""The models and the fusion fulfil their contracts, in small and large sizes and both precisions."""

import pytest

from upscaler_core import discover
from upscaler_core.testing import contract_failures, contract_tests


@contract_tests("magnitude-phase", iterations=2)
def test_magnitude_phase(check):
    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waveform-unet", "spectral-unet"])
@pytest.mark.parametrize(
    "options", [{"num_layers": 3, "precision": "float32"}, {"num_layers": 5, "precision": "bfloat16"}]
)
def test_other_sizes(name, options):
    (entry,) = (e for e in discover().entries if e.component.name == name)
    assert contract_failures(discover(), entry, base_channels=16, **options) == []
