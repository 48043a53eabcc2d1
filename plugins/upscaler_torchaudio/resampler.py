"""torchaudio's Kaiser-windowed sinc, one strided convolution with a kernel a phase.

>>> from upscaler_torchaudio.plugin import TorchaudioOptions
>>> Torchaudio(TorchaudioOptions()).plan(44100, 48000).reach  # doctest: +SKIP
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
"""Samples a call, about."""

LARGEST_KERNEL = 1 << 25
"""Coefficients. torchaudio keeps every phase, each as long as the kernel and one period: they grow with L·M."""


def transforms() -> Any:
    """Import `torchaudio.transforms`, beside a CPU torch too.

    The Linux wheel's compiled extension is linked to CUDA, so that importing the package fails beside a torch without
    it. Nothing here needs the extension: a stand-in that says so lets the rest be imported.

    Raises:
        MissingDependency: it is not installed, or does not fit the installed torch.
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
        """Make the kernels for a pair of rates in Hz.

        Raises:
            UsageError: the ratio, in lowest terms, would need too large a kernel.
        """
        common = math.gcd(rate_in, rate_out)
        advance, yields = rate_in // common, rate_out // common
        width = math.ceil(self.options.lowpass_filter_width * max(1, advance / yields) / self.options.rolloff)
        if yields * (2 * width + advance) > LARGEST_KERNEL:
            raise UsageError(
                f"torchaudio would need {yields:,} kernels of {2 * width + advance:,} samples from {rate_in} Hz to"
                f" {rate_out} Hz: use poly-sinc-hq"
            )
        resample = {
            dtype: self._transforms.Resample(
                advance,
                yields,
                "sinc_interp_kaiser",
                self.options.lowpass_filter_width,
                self.options.rolloff,
                self.options.beta,
                dtype=dtype,
            )
            for dtype in (None, torch.float64)
        }
        margin = -(-width // advance)  # periods: the cut behind it falls on a whole output sample
        periods = max(1, CALL // max(advance, yields))
        block_out, cut = yields * periods, yields * margin

        def function(windows: Tensor, start: int) -> Tensor:
            out: Tensor = resample[torch.float64 if windows.dtype == torch.float64 else None](windows)
            return out[:, cut : cut + block_out]

        return Plan(function, advance * periods, block_out, receptive_field=advance * margin)
