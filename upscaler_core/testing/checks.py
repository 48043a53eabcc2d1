"""The contracts: what each kind's protocol asks, as checks that can fail."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.resample import Resample
from upscaler_core.dsp.stft import StftConfig, stft
from upscaler_core.dsp.streaming import run
from upscaler_core.errors import InputError
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.protocols import Adversary, AudioInfo, Conditions, EnhancementModel, Estimate
from upscaler_core.testing import signals
from upscaler_core.testing.contracts import Subject, rule

PAIRS = ((44_100, 48_000), (48_000, 96_000), (96_000, 44_100), (8_000, 44_100))
CUTS = (1, 777, 4_096, 10_007)


def _blocks(x: Tensor) -> Iterator[Tensor]:
    """Cut `[channel, time]` into blocks of many lengths."""
    at = 0
    for index in range(x.shape[-1]):
        size = CUTS[index % len(CUTS)]
        yield x[:, at : at + size]
        at += size
        if at >= x.shape[-1]:
            return


def _joined(stream: Iterator[Tensor]) -> Tensor:
    blocks = list(stream)
    return torch.cat(blocks, -1) if blocks else torch.empty(0, 0)


def _changed(before: Tensor, after: Tensor) -> str | None:
    return None if torch.equal(before, after) else "it changed its input in place"


# --------------------------------------------------------------------------------------------------- resamplers


@rule(Kind.RESAMPLER, "a plan's blocks are positive and in the ratio of the rates, its reach and rows are not negative")
def resampler_plan(subject: Subject) -> str | None:
    for rate_in, rate_out in PAIRS:
        plan = subject.built.plan(rate_in, rate_out)
        if not isinstance(plan, Plan):
            return f"plan({rate_in}, {rate_out}) returned {type(plan).__name__}, not a Plan"
        if min(plan.block_in, plan.block_out, plan.rows) < 1 or plan.receptive_field < 0:
            return f"plan({rate_in}, {rate_out}) is {plan}"
        if plan.block_in * rate_out != plan.block_out * rate_in:
            return f"{plan.block_in} samples in and {plan.block_out} out are not {rate_in} to {rate_out}"
    return None


@rule(Kind.RESAMPLER, "windows [rows, reach + block_in + reach] become [rows, block_out] of the same dtype, unchanged")
def resampler_function(subject: Subject) -> str | None:
    for dtype in (torch.float32, torch.float64):
        plan = subject.built.plan(44_100, 48_000)
        windows = signals.noise((plan.rows, plan.block_in + 2 * plan.receptive_field)).to(dtype)
        before = windows.clone()
        out = plan.function(windows, 0)
        if tuple(out.shape) != (plan.rows, plan.block_out) or out.dtype != dtype:
            return f"{list(windows.shape)} {dtype} became {list(out.shape)} {out.dtype}"
        if changed := _changed(before, windows):
            return changed
    return None


@rule(Kind.RESAMPLER, "n samples become ceil(n * rate_out / rate_in)")
def resampler_length(subject: Subject) -> str | None:
    for rate_in, rate_out in PAIRS:
        for n in (0, 1, 2, 1_001):
            got = Resample(subject.built)(torch.zeros(1, n), rate_in, rate_out).shape[-1]
            if got != math.ceil(n * rate_out / rate_in):
                return f"{n} samples at {rate_in} Hz became {got} at {rate_out} Hz"
    return None


@rule(Kind.RESAMPLER, "delay 0 and gain 1: a 20 Hz tone comes out as itself, the error below -44 dB")
def resampler_delay(subject: Subject) -> str | None:
    for rate_in, rate_out in PAIRS:
        out = Resample(subject.built)(signals.tone(20, rate_in, rate_in // 2)[None], rate_in, rate_out)[0]
        truth = signals.tone(20, rate_out, out.shape[-1])
        inner = slice(len(out) // 4, -len(out) // 4)
        if (level := signals.decibels(out[inner] - truth[inner], truth[inner])) > -44:
            return f"from {rate_in} to {rate_out} Hz the error is {level:.1f} dB"
    return None


@rule(Kind.RESAMPLER, "streamed equals one-shot, bit for bit, for any block sizes")
def resampler_streaming(subject: Subject) -> str | None:
    for rate_in, rate_out in PAIRS:
        x = signals.noise((2, rate_in))
        resample = Resample(subject.built)
        if not torch.equal(resample(x, rate_in, rate_out), _joined(resample.stream(_blocks(x), rate_in, rate_out))):
            return f"from {rate_in} to {rate_out} Hz they differ"
    return None


@rule(Kind.RESAMPLER, "each channel and item is treated alone: a mono signal equals its channel, bit for bit")
def resampler_channels(subject: Subject) -> str | None:
    x = signals.noise((2, 3, 30_000))
    resample = Resample(subject.built)
    together = resample(x, 44_100, 48_000)
    return None if torch.equal(together[1, 2], resample(x[1, 2], 44_100, 48_000)) else "they differ"


# ------------------------------------------------------------------------------------------- models and fusions


def _conditions(rate: int, batch: int) -> Conditions:
    return Conditions(torch.full((batch,), rate / 6.0), torch.zeros(batch, dtype=torch.int64), rate, seed=1)


def _window(model: EnhancementModel) -> int:
    size = max(16_384, 4 * (model.receptive_field or 0))
    return -(-size // model.length_multiple) * model.length_multiple


def _views(estimate: Estimate) -> list[Tensor]:
    return [t for t in (estimate.waveform, estimate.log_magnitude, estimate.phase) if t is not None]


def _close(a: Estimate, b: Estimate, item: slice) -> bool:
    return all(signals.decibels(x[item] - y, y) < -80 for x, y in zip(_views(a), _views(b), strict=True))


@rule(Kind.MODEL, "rate and granule are positive whole numbers, reach is one or None")
def model_attributes(subject: Subject) -> str | None:
    model = subject.built
    whole = all(isinstance(value, int) and value >= 1 for value in (model.rate, model.length_multiple))
    bounded = model.receptive_field is None or (isinstance(model.receptive_field, int) and model.receptive_field >= 0)
    return (
        None
        if whole and bounded
        else f"rate {model.rate!r}, granule {model.length_multiple!r}, reach {model.receptive_field!r}"
    )


@rule(Kind.MODEL, "at each of its `other_rates` it returns the same, every frequency scaled with the rate")
def model_rates(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((1, 1, _window(model)))
    with torch.no_grad():
        told = model(x, _conditions(model.rate, 1))
        for rate in getattr(model, "other_rates", ()):
            if not _close(model(x, _conditions(rate, 1)), told, slice(None)):
                return f"at {rate} Hz it differs by more than -80 dB"
    return None


def _at(estimate: Estimate, sample: int) -> list[Tensor]:
    """Every view at a sample, or at the last frame whose centre is not beyond it."""
    frame = sample // estimate.grid.hop if estimate.grid else 0
    return [view[..., sample if view is estimate.waveform else frame] for view in _views(estimate)]


@rule(Kind.MODEL, "[batch, 1, time] becomes an Estimate of the same length, finite, and the input stays")
def model_shape(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((2, 1, _window(model)))
    before = x.clone()
    with torch.no_grad():
        estimate = model(x, _conditions(model.rate, 2))
    if not isinstance(estimate, Estimate):
        return f"it returned {type(estimate).__name__}"
    if not all(bool(view.isfinite().all()) for view in _views(estimate)):
        return "it returned NaN or infinity"
    if estimate.waveform is not None and estimate.waveform.shape != x.shape:
        return f"{list(x.shape)} became {list(estimate.waveform.shape)}"
    if estimate.log_magnitude is not None and estimate.grid is not None:
        grid = estimate.grid
        asked = (2, 1, grid.n_fft // 2 + 1, x.shape[-1] // grid.hop + 1)
        if tuple(estimate.log_magnitude.shape) != asked:
            return f"the log-magnitude is {list(estimate.log_magnitude.shape)}, not {list(asked)}"
    return _changed(before, x)


@rule(Kind.MODEL, "the same input, conditions and seed give the same output")
def model_determinism(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((1, 1, _window(model)))
    with torch.no_grad():
        first, second = (model(x, _conditions(model.rate, 1)) for _ in range(2))
    same = all(torch.equal(a, b) for a, b in zip(_views(first), _views(second), strict=True))
    return None if same else "two calls differ"


@rule(Kind.MODEL, "items of a batch do not affect each other")
def model_batch(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((2, 1, _window(model)))
    with torch.no_grad():
        both, alone = model(x, _conditions(model.rate, 2)), model(x[1:], _conditions(model.rate, 1))
    return None if _close(both, alone, slice(1, 2)) else "an item differs from itself alone by more than -80 dB"


@rule(Kind.MODEL, "an output sample depends on nothing beyond the declared reach")
def model_receptive_field(subject: Subject) -> str | None:
    model = subject.built
    if model.receptive_field is None:
        return None
    x = signals.noise((1, 1, _window(model)))
    middle = x.shape[-1] // 2 // model.length_multiple * model.length_multiple
    y = x.clone()
    y[..., middle + model.receptive_field + 1 :] += 0.1
    y[..., : middle - model.receptive_field] += 0.1
    with torch.no_grad():
        a, b = (_at(model(w, _conditions(model.rate, 1)), middle) for w in (x, y))
    moved = max(float((u - v).abs().max()) for u, v in zip(a, b, strict=True))
    return None if moved < 1e-4 else f"a change beyond {model.receptive_field} samples moved the output by {moved:.2g}"


class _AnyName(dict[str, Estimate]):
    """Estimates under whatever names a fusion asks for."""

    def __missing__(self, key: str) -> Estimate:
        return next(iter(self.values()))


def _estimates(x: Tensor) -> Mapping[str, Estimate]:
    grid = StftConfig()
    spectrum = stft(x, grid)
    whole = Estimate(x, spectrum.abs().clamp(min=1e-7).log(), spectrum.angle(), grid)
    return _AnyName(a=whole, b=whole)


@rule(Kind.FUSION, "estimates and baseline [batch, 1, time] become [batch, 1, time], finite, twice the same")
def fusion_shape(subject: Subject) -> str | None:
    x = signals.noise((2, 1, 16_384))
    estimates = _estimates(x)
    out, again = (subject.built(estimates, x, _conditions(48_000, 2)) for _ in range(2))
    if out.shape != x.shape:
        return f"{list(x.shape)} became {list(out.shape)}"
    if not bool(out.isfinite().all()):
        return "it returned NaN or infinity"
    return None if torch.equal(out, again) else "two calls differ"


@rule(Kind.FUSION, "the estimates and the baseline are left as they were")
def fusion_inputs(subject: Subject) -> str | None:
    x = signals.noise((1, 1, 16_384))
    estimates = _estimates(x)
    before = [view.clone() for view in chain([x], *(_views(e) for e in estimates.values()))]
    subject.built(estimates, x, _conditions(48_000, 1))
    after = chain([x], *(_views(e) for e in estimates.values()))
    return next((said for a, b in zip(before, after, strict=True) if (said := _changed(a, b))), None)


# --------------------------------------------------------------------------------------------------- training


@rule(Kind.DEGRADATION, "[channel, time] keeps its shape and dtype, stays finite, and the input stays")
def degradation_shape(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 1.0, channels=2)
    before = x.clone()
    out = subject.built(x, 48_000, torch.Generator().manual_seed(1)).audio
    if out.shape != x.shape or out.dtype != x.dtype:
        return f"{list(x.shape)} {x.dtype} became {list(out.shape)} {out.dtype}"
    return "it returned NaN or infinity" if not bool(out.isfinite().all()) else _changed(before, x)


@rule(Kind.DEGRADATION, "all chance comes from the generator: the same state gives the same result")
def degradation_chance(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 1.0)
    state = torch.get_rng_state()
    first, second = (subject.built(x, 48_000, torch.Generator().manual_seed(1)).audio for _ in range(2))
    if not torch.equal(state, torch.get_rng_state()):
        return "it drew from torch's global generator"
    return None if torch.equal(first, second) else "two calls with the same state differ"


@rule(
    Kind.LOSS,
    "the result is a finite scalar with a finite gradient; but for an adversary's, > 0, and 0 for equal signals",
)
def loss_value(subject: Subject) -> str | None:
    target, estimate = _noisy_pair()
    loss = subject.built(estimate, target)
    loss.backward()
    if loss.dim() or not bool(loss.isfinite()):
        return f"for a noisy estimate it is {loss}"
    if not _moves(estimate):
        return "the gradient is missing, zero or not finite"
    if isinstance(subject.built, Adversary):
        return None
    noisy, equal = float(loss.detach()), float(subject.built(target.clone(), target))
    if noisy <= 0:
        return f"for a noisy estimate it is {noisy}"
    return None if 0 <= equal < 1e-4 * max(1.0, noisy) else f"for equal signals it is {equal}"


@rule(Kind.LOSS, "an adversary's critic moves its own weights alone, and its loss the estimate alone")
def loss_critic(subject: Subject) -> str | None:
    adversary = subject.built
    if not isinstance(adversary, Adversary):
        return None
    if not isinstance(adversary, torch.nn.Module) or not list(adversary.parameters()):
        return "it has no weights"
    target, estimate = _noisy_pair()
    adversary.zero_grad()
    adversary(estimate, target).backward()
    if any(_moves(weight) for weight in adversary.parameters()):
        return "its loss moves its own weights"
    estimate.grad = None
    critic = adversary.critic(estimate, target)
    if critic.dim() or not bool(critic.isfinite()):
        return f"the critic's scalar is {critic}"
    torch.autograd.backward(critic)
    if _moves(estimate):
        return "the critic moves the estimate"
    return None if any(_moves(weight) for weight in adversary.parameters()) else "the critic does not move its weights"


def _noisy_pair() -> tuple[Tensor, Tensor]:
    target = signals.band_limited(48_000, 20_000, 1.0)[None]
    return target, (target + signals.noise(tuple(target.shape), seed=9)).requires_grad_()


def _moves(x: Tensor) -> bool:
    """Whether `x` was given a gradient that is finite and not all zeros."""
    return x.grad is not None and bool(x.grad.isfinite().all()) and bool(x.grad.any())


@rule(Kind.METRIC, "it has a unit and a direction, gives one number an item, each by itself, and changes no signal")
def metric_value(subject: Subject) -> str | None:
    metric = subject.built
    if not isinstance(metric.unit, str) or not isinstance(metric.higher_is_better, bool):
        return f"unit {metric.unit!r}, higher_is_better {metric.higher_is_better!r}"
    target = torch.stack([signals.band_limited(48_000, 20_000), signals.band_limited(48_000, 12_000)])
    estimate = target + signals.noise(tuple(target.shape), seed=9)
    before = estimate.clone(), target.clone()
    values = metric(estimate, target, 48_000)
    if changed := _changed(before[0], estimate) or _changed(before[1], target):
        return changed
    if tuple(values.shape) != (2,):
        return f"for a batch of 2 it returned {list(values.shape)}"
    alone = metric(estimate[1:], target[1:], 48_000)
    return None if torch.allclose(values[1:], alone, rtol=1e-4) else "an item differs from itself alone"


@rule(Kind.METRIC, "a better estimate scores better")
def metric_direction(subject: Subject) -> str | None:
    target = signals.band_limited(48_000, 20_000)[None]
    noise = signals.noise(tuple(target.shape), seed=9)
    good, bad = (float(subject.built(target + level * noise, target, 48_000)) for level in (0.01, 1.0))
    better = good > bad if subject.built.higher_is_better else good < bad
    return None if better else f"an estimate 40 dB closer scores {good:.3g}, the worse one {bad:.3g}"


# ------------------------------------------------------------------------------------------------------- files


def _export(subject: Subject, path: Path, x: Tensor, cut: int) -> None:
    with subject.built.open(path, 48_000, x.shape[0], AudioInfo(48_000, x.shape[0], None, "test"), seed=1) as sink:
        for block in torch.split(x, cut, -1):
            sink.write(block)


@rule(Kind.EXPORTER, "the record names at least one suffix, and 48 kHz stereo is not refused")
def exporter_suffixes(subject: Subject) -> str | None:
    if not subject.entry.component.suffixes:
        return "it names none"
    refused: str | None = subject.built.refuse(48_000, 2)
    return refused


@rule(Kind.EXPORTER, "any path is written, and the same audio gives the same bytes however it was cut")
def exporter_bytes(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    with tempfile.TemporaryDirectory() as folder:
        written = []
        for cut in (48_000, 4_999):
            path = Path(folder) / f"{cut}.part"
            _export(subject, path, x, cut)
            written.append(path.read_bytes())
    if not written[0]:
        return "the file is empty"
    return None if written[0] == written[1] else "the bytes differ"


@rule(Kind.EXPORTER, "a reader that names its suffix reads back the same rate, channels and, within 1 %, length")
def exporter_readable(subject: Subject) -> str | None:
    from upscaler_core.files.recording import open_recording

    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    with tempfile.TemporaryDirectory() as folder:
        suffix = subject.entry.component.suffixes[0]
        path = Path(folder) / f"x{suffix}"
        _export(subject, path, x, 10_000)
        try:
            with open_recording(path, subject.registry) as source:
                length = sum(block.shape[-1] for block in source.blocks(4_096))
                info = source.info
        except InputError as error:
            readers = [e for e in subject.registry.of(Kind.READER) if suffix in e.component.suffixes]
            return f"{readers[0].full_name}: {error}" if readers else None
    if (info.rate, info.channels) != (48_000, 2) or abs(length - x.shape[-1]) > 240:
        return f"it is {length} samples, {info.channels} channels at {info.rate} Hz"
    return None


@rule(Kind.READER, "the record names at least one suffix")
def reader_suffixes(subject: Subject) -> str | None:
    return None if subject.entry.component.suffixes else "it names none"


@rule(Kind.READER, "what is not audio raises InputError with a sentence, and nothing else")
def reader_garbage(subject: Subject) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("empty", b""), ("text", b"no audio at all\n" * 99), ("zeros", bytes(5_000))):
            path = Path(folder) / f"{name}{subject.entry.component.suffixes[0]}"
            path.write_bytes(content)
            try:
                with subject.built.open(path) as source:
                    length = sum(block.shape[-1] for block in source.blocks(1_024))
            except InputError as error:
                if not str(error):
                    return f"for a file of {name} the sentence is empty"
                continue
            if length:
                return f"a file of {name} became {length} samples"
    return None


@rule(Kind.READER, "blocks are [channel, time] float32 of at most the asked length, from the first sample at each call")
def reader_blocks(subject: Subject) -> str | None:
    suffixes = set(subject.entry.component.suffixes)
    exporters = [e for e in subject.registry.of(Kind.EXPORTER) if suffixes & set(e.component.suffixes)]
    x = signals.band_limited(48_000, 20_000, 0.5, channels=2)
    for entry in exporters:
        writer = subject.registry.build(Kind.EXPORTER, entry.full_name)
        suffix = next(s for s in entry.component.suffixes if s in suffixes)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"x{suffix}"
            with writer.open(path, 48_000, 2) as sink:
                sink.write(x)
            with subject.built.open(path) as source:
                passes = [list(source.blocks(size)) for size in (1_000, 24_000)]
        for size, blocks in zip((1_000, 24_000), passes, strict=True):
            if any(b.dtype != torch.float32 or b.shape[0] != 2 or b.shape[-1] > size for b in blocks):
                return f"for {suffix} they are {list(blocks[0].shape)} {blocks[0].dtype}, asked for {size}"
        if not torch.equal(*(torch.cat(blocks, -1) for blocks in passes)):
            return f"for {suffix} two passes differ"
    return None


@rule(
    Kind.FINISHER, "a plan keeps the rate, and its function the windows' channels and dtype and the windows themselves"
)
def finisher_plan(subject: Subject) -> str | None:
    plan = subject.built.plan(48_000)
    if plan.block_in != plan.block_out or plan.block_in < 1 or plan.receptive_field < 0:
        return f"the plan is {plan}"
    for dtype in (torch.float32, torch.float64):
        x = signals.noise((3, plan.block_in + 2 * plan.receptive_field)).to(dtype)
        before = x.clone()
        out = plan.function(x, 0)
        if tuple(out.shape) != (3, plan.block_in) or out.dtype != dtype:
            return f"{list(x.shape)} {dtype} became {list(out.shape)} {out.dtype}"
        if changed := _changed(before, x):
            return changed
    return None


@rule(Kind.FINISHER, "streamed equals one-shot, bit for bit")
def finisher_streaming(subject: Subject) -> str | None:
    plan = subject.built.plan(48_000)
    x = signals.gapped(48_000)
    same = torch.equal(_joined(run(plan, [x], joint=True)), _joined(run(plan, _blocks(x), joint=True)))
    return None if same else "they differ"


@rule(Kind.COMMAND, "called with the words that follow its name, it answers --help and returns the exit code 0")
def command_help(subject: Subject) -> str | None:
    with redirect_stdout(StringIO()) as told:
        code = subject.built(["--help"])
    if code != 0 or isinstance(code, bool):
        return f"it returned {code!r}"
    return None if told.getvalue().strip() else "it printed nothing"
