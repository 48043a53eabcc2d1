"""What Python users call: the signal line on whole signals and on files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from upscaler_core.dsp.resample import integer_rate
from upscaler_core.files.output import OutputSettings, decide_output
from upscaler_core.files.recording import Recording, open_recording
from upscaler_core.pipeline.arrays import as_signal, refuse_time_first
from upscaler_core.pipeline.events import Finished, OnProgress, ignore
from upscaler_core.pipeline.file_conversion import convert
from upscaler_core.pipeline.signal_line import SignalLine
from upscaler_core.plugins.registry import Registry, discover

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


OnShare = Callable[[float], None]
"""Is called with the share of the work that is done, 0 … 1."""


@dataclass(frozen=True, repr=False)
class Pipeline(SignalLine):
    """A signal line, assembled by hand or from a pipeline file (`load_pipeline`); its arguments are `SignalLine`'s.

    `pipeline(audio, rate)` enhances a whole signal, `pipeline.stream(blocks, rate)` a stream, and
    `pipeline.write("in.mp3", "out.flac")` a file.
    """

    @overload
    def __call__(self, audio: Tensor, rate: int, *, on_progress: OnShare = ...) -> Tensor: ...

    @overload
    def __call__(self, audio: ArrayLike, rate: int, *, on_progress: OnShare = ...) -> NDArray[np.float32]: ...

    def __call__(
        self, audio: Tensor | ArrayLike, rate: int, *, on_progress: OnShare = ignore
    ) -> Tensor | NDArray[np.float32]:
        """Enhance a whole signal.

        Args:
            audio: `[batch, channel, time]`, `[channel, time]` or `[time]`, floating point at full scale ±1.0; a tensor or
                an array. (Arrays of the package soundfile are `[time, channel]`: transpose them, `x.T`.)
            rate: Hz.
            on_progress: is called with the share of the result that is ready, 0 … 1.

        Returns:
            A tensor for a tensor, on the same device; otherwise an array. float32, with the same leading dimensions and
            `ceil(time * rate_out / rate)` samples. Peaks may exceed ±1.0: see `headroom`.

        Raises:
            UsageError: the audio is not floating point, its time does not come last, or the rate is not a whole number.
        """
        x, rate = as_signal(audio), integer_rate(rate)
        refuse_time_first(x.shape, audio)
        channels = x.shape[-2] if x.dim() > 1 else 1
        signals = x.reshape(math.prod(x.shape[:-2]), channels, x.shape[-1])
        length = -(-x.shape[-1] * self.rate_out // rate)
        total, ready, outs = max(1, len(signals) * length), 0, []
        for signal in signals:
            bandwidth = self.bandwidth_of([signal], rate) if self.models else None
            blocks = [signal[:, :0]]
            for block in self.stream([signal], rate, bandwidth=bandwidth):
                blocks.append(block)
                ready += block.shape[-1]
                on_progress(min(1.0, ready / total))
            outs.append(torch.cat(blocks, -1))
        out = torch.stack(outs)
        out = out.reshape(*x.shape[:-1], out.shape[-1])
        return out.to(audio.device) if isinstance(audio, Tensor) else out.numpy()

    def write(
        self,
        source: str | Path,
        target: str | Path,
        *,
        registry: Registry | None = None,
        export: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        strict: bool = False,
        on_event: OnProgress = ignore,
    ) -> Finished:
        """Enhance a file into a file.

        Args:
            source: any file that an installed reader reads.
            target: its suffix picks the exporter. The folder is made where it is missing.
            registry: where readers and exporters are found. None = all that is installed.
            export: options of the exporter that the suffix picks. With another one's name under `use` they are refused.
            overwrite: replace an existing target.
            strict: refuse a damaged source instead of decoding what is there.
            on_event: is called with what happens.

        Raises:
            InputError, OutputError, UsageError: the target is then absent, or as it was, and the source untouched.
        """
        registry = registry or discover()
        options = dict(export or {})
        settings = OutputSettings(self.target_rate, options.pop("use", None) or None, options, overwrite)
        with ExitStack() as stack:

            @cache
            def recording() -> Recording:
                return stack.enter_context(open_recording(Path(source), registry))

            output = decide_output(Path(source), Path(target), lambda: recording().info, registry, settings)
            return convert(self, recording(), output, strict=strict, on_event=on_event)
