"""Small untrained networks, and their pipeline."""

import pytest

from upscaler_core import Pipeline, discover
from upscaler_core.pipeline.spec import Chunk

SMALL = {"checkpoint": "none", "precision": "float32", "base_channels": 16, "num_layers": 3}


@pytest.fixture(scope="session")
def wave():
    return discover().model("waveform-unet", **SMALL)


@pytest.fixture(scope="session")
def spec():
    return discover().model("spectral-unet", **SMALL)


@pytest.fixture(scope="session")
def dual(wave, spec):
    """A function that makes the white paper's pipeline with some of its settings changed."""

    def pipeline(**changes):
        up = discover()
        settings = {
            "resampler": up.resampler("poly-sinc-hq", dsp_quality="fast"),
            "target_rate": 48_000,
            "models": {"wave": wave, "spec": spec},
            "fusion": up.fusion("magnitude-phase"),
            "chunk": Chunk(samples=24_576),
            "cutoff_hz": 7_600.0,
        }
        return Pipeline(**{**settings, **changes})

    return pipeline
