"""The model as a user meets it: in a pipeline, in training, and with the checkpoint that training wrote."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf
import torch
import yaml
from torch import Tensor
from upscaler_core import Conditions, Pipeline, discover, load_pipeline
from upscaler_core.testing import contract_tests

RATE, CUTOFF = 48_000, 6_000


@contract_tests("band-envelope")
def test_contract_untrained(check):
    check()


@contract_tests("band-envelope", checkpoint="bundled")
def test_contract_as_shipped(check):
    check()


def white(seconds: float = 2.0, seed: int = 0) -> Tensor:
    """White noise, `[1, time]`."""
    return 0.1 * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def limited(x: Tensor, cutoff_hz: float = CUTOFF) -> Tensor:
    """`x` up to the cut-off, by a brick wall in one FFT."""
    spectrum = torch.fft.rfft(x)
    spectrum[..., round(cutoff_hz * x.shape[-1] / RATE) :] = 0
    return torch.fft.irfft(spectrum, x.shape[-1])


def level(x: Tensor, low: float, high: float) -> float:
    """Power of a bin in a band, dB."""
    power = torch.fft.rfft(x.double()).abs().square()
    bins = slice(round(low * x.shape[-1] / RATE), round(high * x.shape[-1] / RATE))
    return 10 * math.log10(power[..., bins].mean())


def restore(pipeline: Pipeline, x: Tensor) -> Tensor:
    y: Tensor = pipeline(x, RATE)
    return y


def pipeline_of(model: object, **more: object) -> Pipeline:
    linear = discover().resampler("linear")
    return Pipeline(linear, RATE, {"envelope": model}, cutoff_hz=CUTOFF, **more)  # type: ignore[dict-item,arg-type]


def test_untrained_it_falls_by_12_db_an_octave() -> None:
    y = restore(pipeline_of(discover().model("band-envelope", checkpoint="none")), limited(white()))
    below, near, far = (level(y, f, 1.1 * f) for f in (4_500, 7_000, 14_000))
    # The mean of noise's logarithms is 2.5 dB under its power, and random phases lose 3 dB where two frames overlap.
    assert near == pytest.approx(below - 5.5 - 12 * math.log2(7_350 / CUTOFF), abs=1)
    assert far == pytest.approx(near - 12, abs=1)


def test_below_the_cutoff_nothing_changes() -> None:
    x = limited(white())
    conditions = Conditions(torch.tensor([float(CUTOFF)]), torch.zeros(1, dtype=torch.int64), RATE)
    with torch.no_grad():
        y = discover().model("band-envelope")(x[None], conditions).waveform
    assert y is not None
    assert level(limited(y[0] - x, 0.9 * CUTOFF), 0, 0.9 * CUTOFF) < level(x, 0, 0.9 * CUTOFF) - 45


def test_streamed_is_one_shot_bit_for_bit() -> None:
    pipeline, x = pipeline_of(discover().model("band-envelope")), limited(white(3.0))
    streamed = torch.cat(list(pipeline.stream(iter(x.split(12_345, -1)), RATE)), -1)
    assert torch.equal(streamed, restore(pipeline, x))


@pytest.fixture(scope="module")
def training_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training on white noise, by the command line."""
    folder = tmp_path_factory.mktemp("training")
    for name in ("train", "validation"):
        sf.write(folder / f"{name}.wav", white(8.0, seed=len(name)).T.numpy(), RATE)
    recipe = yaml.safe_load((Path(__file__).parent.parent / "recipe.yaml").read_text())
    recipe["data"] = {"train": ["train.wav"], "validation": ["validation.wav"], "cache": str(folder / "cache")}
    recipe |= {"seconds": 0.25, "excerpts": 160, "epochs": 2, "batch": 8, "workers": 0, "ema": 0.9}
    recipe["optimizer"] |= {"learning_rate": 0.01, "warmup": 5}
    recipe["scoring"] = {"cutoffs": [CUTOFF], "seconds": 1}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [Path(sys.executable).with_name("upscaler"), "train", "recipe.yaml", "--out", "run"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder / "run"


def test_after_training_on_white_noise_the_level_is_constant(training_run: Path) -> None:
    model = discover().model("band-envelope", checkpoint=str(training_run / "best" / "envelope.safetensors"))
    x = white(seed=9)
    y = restore(pipeline_of(model), limited(x))
    for low in (7_000, 10_000, 14_000, 18_000):
        assert level(y, low, 1.2 * low) == pytest.approx(level(x, low, 1.2 * low), abs=4)


def test_the_trained_model_works_from_its_pipeline_file(training_run: Path) -> None:
    pipeline = load_pipeline(training_run / "best" / "pipeline.yaml", discover())
    x = limited(white(seed=9))
    assert level(restore(pipeline, x), 12_000, 14_000) > level(x, 12_000, 14_000) + 60


def test_listing_it_imports_no_torch() -> None:
    code = "import sys, upscaler_envelope.plugin as p; p.upscaler_models(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
