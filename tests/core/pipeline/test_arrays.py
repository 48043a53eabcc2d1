"""What numpy and torch people pass: it works, or one sentence says what to write."""

import numpy as np
import pytest
import torch

from upscaler_core import Pipeline, UsageError, discover, load_pipeline
from upscaler_core.pipeline.arrays import SCALES
from upscaler_core.testing import signals

RATE = 16_000


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(discover().resampler("linear"), 48_000)


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    return signals.noise((2, 4_000)).numpy()


@pytest.mark.parametrize("shape", [(2_000, 2), (16_000, 1), (50, 2), (65, 1_000), (3, 2_000, 2)])
def test_time_first_is_refused_at_once(pipeline, shape):
    advice = r"did you mean x\.T\?" if len(shape) == 2 else r"did you mean x\.swapaxes\(-1, -2\)\?"
    with pytest.raises(UsageError, match=advice):
        pipeline(np.zeros(shape, np.float32), RATE)


def test_a_stream_of_time_first_is_refused_too(pipeline, stereo):
    for block, words in ((stereo.T, "did you mean"), (stereo[0], "blocks are"), ((stereo * 9).astype("i2"), "32768")):
        with pytest.raises(UsageError, match=words):
            next(iter(pipeline.stream([block], RATE)))


@pytest.mark.parametrize("shape", [(64, 1_000), (5, 1), (8, 3), (2, 0), (1_000,)])
def test_what_may_be_meant_is_taken(pipeline, shape):
    assert pipeline(np.zeros(shape, np.float32), RATE).shape == (*shape[:-1], 3 * shape[-1])


def test_any_memory_and_any_float_gives_the_same(pipeline, stereo):
    expected = pipeline(stereo, RATE)
    read_only = stereo.copy()
    read_only.flags.writeable = False
    twice = np.repeat(stereo, 2, axis=1)
    for same in (
        stereo[:, ::-1].copy()[:, ::-1],
        stereo.astype(np.float64),
        stereo.astype(">f4"),
        np.asfortranarray(stereo),
        twice[:, ::2],
        read_only,
        stereo.tolist(),
    ):
        out = pipeline(same, RATE)
        assert isinstance(out, np.ndarray) and out.dtype == np.float32 and np.array_equal(out, expected)
    tensor = pipeline(torch.from_numpy(stereo).requires_grad_(), np.int64(RATE))
    assert isinstance(tensor, torch.Tensor) and not tensor.requires_grad and np.array_equal(tensor.numpy(), expected)


@pytest.mark.parametrize("dtype", [*SCALES, "int64", "bool", "complex64"])
def test_what_has_no_full_scale_is_refused_with_the_way_to_write_it(pipeline, stereo, dtype):
    x = (100 * stereo).astype(dtype)
    with pytest.raises(UsageError, match=f"not {dtype}") as error:
        pipeline(x, RATE)
    if dtype in SCALES:
        scaled = eval(SCALES[dtype], {"x": x})
        assert SCALES[dtype] in str(error.value) and np.abs(scaled).max() <= 1
        pipeline(scaled, RATE)


@pytest.mark.parametrize("audio", [None, "song.wav", 1.0, [[0.0], [0.0, 0.0]]])
def test_what_is_no_audio_is_refused_in_a_sentence(pipeline, audio):
    with pytest.raises(UsageError, match="audio must be"):
        pipeline(audio, RATE)


@pytest.mark.parametrize("rate", [0, -1, 16_000.5, "16000", None, float("nan"), float("inf")])
def test_a_rate_is_a_whole_number(pipeline, stereo, rate):
    with pytest.raises(UsageError, match="whole number of Hz"):
        pipeline(stereo, rate)


def test_progress_goes_from_0_to_1(stereo):
    shares = []
    pipeline = Pipeline(discover().resampler("poly-sinc-hq"), 48_000)
    pipeline(np.stack([np.tile(stereo, 100)] * 2), RATE, on_progress=shares.append)
    assert shares == sorted(shares) and len(shares) > 3 and shares[0] < 0.5 and shares[-1] == 1


def test_a_pipeline_is_shown_in_one_short_line():
    up = discover()
    assert repr(load_pipeline("restore", up)) == (
        "Pipeline(target_rate=96000, resampler=PolySincHQ, models={restore: SpectralConvNeXt})"
    )
    whole = repr(load_pipeline("whitepaper", up, ["seed=3", "cutoff_hz=8000"]))
    assert "fusion=MagnitudePhase, finish=[Limiter], cutoff_hz=8000.0, seed=3)" in whole and len(whole) < 200


@pytest.mark.parametrize("device", ["mps", "cuda:7", "nonsense", "meta"])
def test_a_device_that_is_not_here_is_refused_in_a_sentence(device):
    with pytest.raises(UsageError, match=f"there is no device '{device}' here.*--device cpu"):
        load_pipeline("baseline", discover(), device=device)
