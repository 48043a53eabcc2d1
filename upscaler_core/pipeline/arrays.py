"""What people pass as audio becomes tensors `[channel, time]`; what cannot be meant is refused before anything is computed.

>>> as_signal(np.zeros((2, 3))[:, ::-1]).dtype
torch.float32
>>> as_signal(np.zeros(3, np.int16))
Traceback (most recent call last):
upscaler_core.errors.UsageError: audio must be floating point at full scale ±1.0, not int16: write x / 32768 instead of x
>>> refuse_time_first((2_000, 2))
Traceback (most recent call last):
upscaler_core.errors.UsageError: audio is [channel, time], so (2000, 2) is 2,000 channels of 2 samples: did you mean x.T?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from upscaler_core.errors import UsageError

MOST_CHANNELS = 64
"""Channels of a file. More than that are taken for samples."""
SURROUND = 8
"""Up to so many channels may be shorter than they are many: somebody tries a few samples."""
SCALES = {"int8": "x / 128", "uint8": "(x - 128.0) / 128", "int16": "x / 32768", "int32": "x / 2147483648"}
"""How the integers of each type become floats at full scale ±1.0."""


def as_signal(audio: Any) -> Tensor:
    """Any floating-point array, tensor or nested list as a float32 tensor of the same shape, on the processor.

    Raises:
        UsageError: it is not floating point, or a single number.
    """
    if isinstance(audio, Tensor):
        _refuse_unless_float(audio.dtype, floating=audio.is_floating_point())
        return _with_time(audio.detach().to("cpu", torch.float32))
    try:
        array = np.asarray(audio)
    except ValueError:
        raise UsageError("audio must be an array [channel, time]; these lists differ in length") from None
    _refuse_unless_float(array.dtype, floating=np.issubdtype(array.dtype, np.floating))
    # A tensor cannot share memory that is read-only, runs backwards or has another byte order: `require` copies that.
    return _with_time(torch.from_numpy(np.require(array, np.float32, ["C", "W"])))


def _with_time(x: Tensor) -> Tensor:
    if not x.dim():
        raise UsageError(f"audio must be an array [channel, time], not the number {float(x)}")
    return x


def refuse_time_first(shape: Sequence[int], audio: Any = None) -> None:
    """Refuse `[…, time, channel]`, as far as the shape of a whole signal betrays it.

    Args:
        shape: of the signal, with the channels before the time.
        audio: what was passed, for the advice.

    Raises:
        UsageError: there are more channels than samples, or than any file has.
    """
    if len(shape) < 2:
        return
    channels, samples = shape[-2:]
    if channels > MOST_CHANNELS or channels > max(samples, SURROUND) > 0 < samples:
        remedy = "x.T" if len(shape) == 2 else "x.mT" if isinstance(audio, Tensor) else "x.swapaxes(-1, -2)"
        raise UsageError(
            f"audio is [channel, time], so {tuple(shape)} is {channels:,} channels of {samples:,} samples: "
            f"did you mean {remedy}?"
        )


def as_block(block: Any) -> Tensor:
    """A block of a stream as a float32 tensor `[channel, time]`.

    Raises:
        UsageError: it is not floating point, not of two dimensions, or has its time first.
    """
    tensor = as_signal(block)
    if tensor.dim() != 2:
        raise UsageError(
            f"blocks are [channel, time], not of shape {tuple(tensor.shape)}: write x[None] for one channel"
        )
    if tensor.shape[0] > MOST_CHANNELS:
        refuse_time_first(tensor.shape)
    return tensor


def _refuse_unless_float(dtype: Any, *, floating: bool) -> None:
    if not floating:
        name = str(dtype).removeprefix("torch.")
        scale = SCALES.get(name, "x divided by its full scale, such as 8388608 for 24 bits,")
        remedy = f": write {scale} instead of x" if "int" in name else ""
        raise UsageError(f"audio must be floating point at full scale ±1.0, not {name}{remedy}")
