"""torchaudio's Kaiser-windowed sinc: one strided convolution, with a kernel for each phase.

>>> from upscaler_torchaudio.plugin import TorchaudioOptions
>>> Torchaudio(TorchaudioOptions()).plan(44100, 48000).receptive_field  # doctest: +SKIP
147
"""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from upscaler_core import MissingDependency, Plan, UsageError
from upscaler_torchaudio.plugin import TorchaudioOptions

CALL = 1 << 16
"""Samples in each call, approximately."""

LARGEST_KERNEL = 1 << 25
"""Coefficients. torchaudio stores all phases, each as long as the kernel and one period: their size grows with L·M."""


def transforms() -> Any:
    """Import `torchaudio.transforms`, also with a torch that was built for CPUs.

    The compiled extension of the Linux wheel is linked to CUDA. So importing the package fails with a torch without CUDA.
    Nothing here needs the extension: with a stub that declares it unavailable, the rest can be imported.

    Raises:
        MissingDependency: torchaudio is not installed, or does not fit the installed torch.
    """
    try:
        try:
            import torchaudio.transforms
        except OSError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
                del sys.modules[name]
            stub = ModuleType("torchaudio._extension")
            stub._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
            stub.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
            sys.modules[stub.__name__] = stub
            import torchaudio.transforms
    except (ImportError, OSError) as error:
        raise MissingDependency(
            "the resampler 'torchaudio' needs the package torchaudio: pip install 'ai-audio-upscaler[torchaudio]', or"
            " with --no-deps 'torchaudio>=2.9,<2.12' to keep the torch that is installed"
        ) from error
    return torchaudio.transforms


class Torchaudio:
    """The resampler `torchaudio`: linear phase, delay 0, ratios of small terms.

    Raises:
        MissingDependency: torchaudio is not installed, or cannot be imported.
    """

    def __init__(self, options: TorchaudioOptions) -> None:
        self.options = options
        self._transforms = transforms()

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Compute the kernels for a pair of rates in Hz.

        Raises:
            UsageError: the ratio, in lowest terms, would need too large a kernel.
        """
        common = math.gcd(rate_in, rate_out)
        down, up = rate_in // common, rate_out // common
        width = math.ceil(self.options.lowpass_filter_width * max(1, down / up) / self.options.rolloff)
        if up * (2 * width + down) > LARGEST_KERNEL:
            raise UsageError(
                f"torchaudio would need {up:,} kernels of {2 * width + down:,} samples from {rate_in} Hz to"
                f" {rate_out} Hz: use poly-sinc-hq"
            )
        resample = {
            dtype: self._transforms.Resample(
                down,
                up,
                "sinc_interp_kaiser",
                self.options.lowpass_filter_width,
                self.options.rolloff,
                self.options.beta,
                dtype=dtype,
            )
            for dtype in (None, torch.float64)
        }
        margin = -(-width // down)  # periods, so that the cut is at an output sample
        periods = max(1, CALL // max(down, up))
        block_out, cut = up * periods, up * margin

        def function(windows: Tensor, start: int) -> Tensor:
            out: Tensor = resample[torch.float64 if windows.dtype == torch.float64 else None](windows)
            return out[:, cut : cut + block_out]

        return Plan(function, down * periods, block_out, receptive_field=down * margin)
