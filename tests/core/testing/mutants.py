"""Components that keep their contract but for one rule: each is a fake of the toolkit with one thing broken.

`MUTANTS` says of each which checks find it: all of them, and no others.
"""

import random
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import torch

from upscaler_core import Degraded, Estimate, InputError, Kind, OutputError, Plan
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.testing import fakes

MUTANTS = []


def found_by(kind, *checks, suffixes=(".raw",)):
    """Enter a mutant, with the checks that find it."""

    def enter(factory):
        MUTANTS.append(SimpleNamespace(kind=kind, factory=factory, checks=set(checks), suffixes=suffixes))
        return factory

    return enter


# ------------------------------------------------------------------------------------------------- resamplers


class Resampler(fakes.Nearest):
    """Its plan, with the function seen through `change(windows, out)`."""

    def plan(self, rate_in, rate_out):
        plan = super().plan(rate_in, rate_out)
        return replace(plan, function=lambda windows, start: self.change(windows, plan.function(windows, start)))


@found_by(Kind.RESAMPLER, "plan", "function", "length", "delay", "streaming", "channels")
class NoPlan(Resampler):
    def plan(self, rate_in, rate_out):
        return None


@found_by(Kind.RESAMPLER, "plan", "length", "delay", "streaming")
class WrongRatio(Resampler):
    """Every rate is taken for 44.1 to 48 kHz."""

    def plan(self, rate_in, rate_out):
        return fakes.Nearest.plan(self, 44_100, 48_000)


@found_by(Kind.RESAMPLER, "plan", "length", "delay", "streaming", "channels")
class NegativeReceptiveField(Resampler):
    def plan(self, rate_in, rate_out):
        return Plan(lambda windows, start: windows.new_zeros(1, rate_out), rate_in, rate_out, receptive_field=-1)


@found_by(Kind.RESAMPLER, "function")
class OnlyFloat32(Resampler):
    def change(self, windows, out):
        return out.float()


@found_by(Kind.RESAMPLER, "function")
class InPlace(Resampler):
    def change(self, windows, out):
        windows.mul_(0.5)
        return out


@found_by(Kind.RESAMPLER, "length", "delay", "streaming")
class ShortDown(Resampler):
    """It loses a sample on the way down."""

    def change(self, windows, out):
        return out[:, 1:] if out.shape[-1] == 44_100 else out


@found_by(Kind.RESAMPLER, "delay")
class Late(Resampler):
    def change(self, windows, out):
        return out.roll(out.shape[-1] // 1_000, -1)


@found_by(Kind.RESAMPLER, "delay")
class Loud(Resampler):
    def change(self, windows, out):
        return 1.01 * out


@found_by(Kind.RESAMPLER, "streaming", "channels")
class Remembers(Resampler):
    """It turns louder with every call, too little for the other checks."""

    calls = 0

    def change(self, windows, out):
        self.calls += 1
        return out * (1 + 1e-6 * self.calls)


# -------------------------------------------------------------------------------------------- models and fusions


class Model:
    rate, length_multiple, receptive_field = 48_000, 1, 0

    def __init__(self, options):
        pass

    def __call__(self, x, conditions):
        return Estimate(self.change(x))

    def change(self, x):
        return x


@found_by(Kind.MODEL, "attributes")
class HalfRate(Model):
    rate = 48_000.5


@found_by(Kind.MODEL, "shape")
class Short(Model):
    def change(self, x):
        return x[..., :-1]


@found_by(Kind.MODEL, "shape", "batch")
class NotANumber(Model):
    receptive_field = None

    def change(self, x):
        return torch.cat([x[..., :-1], x[..., -1:] / 0], -1)


@found_by(Kind.MODEL, "shape", "determinism", "batch")
class ModelInPlace(Model):
    def change(self, x):
        return x.mul_(0.5).clone()


@found_by(Kind.MODEL, "shape", "determinism", "batch", "receptive-field")
class BareTensor(Model):
    def __call__(self, x, conditions):
        return x


@found_by(Kind.MODEL, "shape")
class FrameShort(fakes.Louder):
    def __init__(self, options):
        super().__init__(fakes.MirrorOptions())

    def __call__(self, x, conditions):
        estimate = super().__call__(x, conditions)
        return Estimate(log_magnitude=estimate.log_magnitude[..., :-1], grid=estimate.grid)


@found_by(Kind.MODEL, "rates")
class AtItsOwnRate(fakes.Louder):
    """It takes the cut-off for one at its first rate."""

    other_rates = (44_100,)

    def __init__(self, options):
        super().__init__(fakes.MirrorOptions())

    def __call__(self, x, conditions):
        return super().__call__(x, replace(conditions, rate=self.rate))


@found_by(Kind.MODEL, "determinism")
class Random(Model):
    """The noise is too small for the checks of batch and receptive field."""

    def change(self, x):
        return x + 1e-6 * torch.rand(())


@found_by(Kind.MODEL, "batch")
class Mixing(Model):
    def change(self, x):
        return x + 0.1 * x.mean(0, keepdim=True)


@found_by(Kind.MODEL, "receptive-field")
class Far(Model):
    """It depends on the sample after the one that it says it depends on."""

    def change(self, x):
        return x + x.roll(-1, -1)


class Fusion(fakes.MeanFusion):
    def __call__(self, estimates, baseline, conditions):
        return self.change(super().__call__(estimates, baseline, conditions))


@found_by(Kind.FUSION, "shape")
class FusionShort(Fusion):
    def change(self, x):
        return x[..., 1:]


@found_by(Kind.FUSION, "shape")
class FusionNotANumber(Fusion):
    def change(self, x):
        return x / 0


@found_by(Kind.FUSION, "shape")
class FusionRandom(Fusion):
    def change(self, x):
        return x + torch.rand(())


@found_by(Kind.FUSION, "inputs")
class FusionInPlace(fakes.MeanFusion):
    """It flattens every estimate: twice is as good as once."""

    def __call__(self, estimates, baseline, conditions):
        estimates["a"].waveform.zero_()
        return torch.zeros_like(baseline)


# ---------------------------------------------------------------------------------------------------- training


class Degradation(fakes.Hum):
    def __call__(self, x, rate, generator):
        return Degraded(self.change(x))


@found_by(Kind.DEGRADATION, "shape")
class DegradationShort(Degradation):
    def change(self, x):
        return x[:, 1:]


@found_by(Kind.DEGRADATION, "shape")
class DegradationInPlace(Degradation):
    def change(self, x):
        return x.clamp_(-0.1, 0.1)


@found_by(Kind.DEGRADATION, "generator")
class DegradationGlobal(Degradation):
    def change(self, x):
        return x + torch.rand(())


@found_by(Kind.DEGRADATION, "generator")
class DegradationPython(Degradation):
    def change(self, x):
        return x + random.random()


class Loss(fakes.SquaredError):
    def __call__(self, estimate, target):
        return self.change(super().__call__(estimate, target))


@found_by(Kind.LOSS, "value")
class Flat(Loss):
    def change(self, loss):
        return loss * 0 + 1


@found_by(Kind.LOSS, "value")
class NotZeroForEqual(Loss):
    def change(self, loss):
        return loss + 1


@found_by(Kind.LOSS, "value")
class Negative(Loss):
    def change(self, loss):
        return -loss


@found_by(Kind.LOSS, "value")
class NoScalar(Loss):
    def __call__(self, estimate, target):
        return (estimate - target).square().mean(-1)


@found_by(Kind.LOSS, "value")
class NoGradient(Loss):
    def change(self, loss):
        return loss.detach()


class Adversary(torch.nn.Module):
    """One weight that judges the mean square; its loss leaves that weight alone."""

    def __init__(self, options):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, estimate, target):
        return (self.weight.detach() * estimate.square()).mean()

    def critic(self, estimate, target):
        return (self.weight * (target.square() - estimate.detach().square())).mean()


@found_by(Kind.LOSS)
class WholeAdversary(Adversary):
    """No mutant: it shows that the base of the broken adversaries keeps the contract."""


@found_by(Kind.LOSS, "critic")
class LossMovesCritic(Adversary):
    def forward(self, estimate, target):
        return (self.weight * estimate.square()).mean()


@found_by(Kind.LOSS, "critic")
class CriticMovesEstimate(Adversary):
    def critic(self, estimate, target):
        return (self.weight * estimate.square()).mean()


@found_by(Kind.LOSS, "critic")
class IdleCritic(Adversary):
    def critic(self, estimate, target):
        return super().critic(estimate, target).detach().requires_grad_()


@found_by(Kind.LOSS, "critic")
class Weightless(Loss):
    def change(self, loss):
        return loss

    def critic(self, estimate, target):
        return torch.zeros(())


class Metric(fakes.SquaredError):
    pass


@found_by(Kind.METRIC, "value")
class NoUnit(Metric):
    unit = None


@found_by(Kind.METRIC, "value")
class OneForAll(Metric):
    def __call__(self, estimate, target, rate):
        return (estimate - target).square().mean()


@found_by(Kind.METRIC, "value")
class MixingMetric(Metric):
    def __call__(self, estimate, target, rate):
        each = super().__call__(estimate, target, rate)
        return each / 2 + each.mean() / 2 * torch.arange(1, len(each) + 1)


@found_by(Kind.METRIC, "value")
class MetricInPlace(Metric):
    def __call__(self, estimate, target, rate):
        return estimate.sub_(target).square().mean((1, 2))


@found_by(Kind.METRIC, "direction")
class Backwards(Metric):
    higher_is_better = True


# ------------------------------------------------------------------------------------------------------- files


class Exporter(fakes.RawExporter):
    sink = fakes.RawSink

    def open(self, path, rate, channels, source=None, seed=0):
        return self.sink(path, rate, channels)


@found_by(Kind.EXPORTER, "suffixes", "readable", suffixes=())
class NoSuffix(Exporter):
    pass


@found_by(Kind.EXPORTER, "suffixes")
class RefusesStereo(Exporter):
    def refuse(self, rate, channels):
        return "it writes mono only" if channels > 1 else None


@found_by(Kind.EXPORTER, "bytes")
class CountsBlocks(Exporter):
    class sink(fakes.RawSink):
        blocks = 0

        def write(self, block):
            self.blocks += 1
            super().write(block + 1e-6 * self.blocks)


@found_by(Kind.EXPORTER, "bytes", "readable")
class WritesNothing(Exporter):
    class sink(fakes.RawSink):
        def __init__(self, path, rate, channels):
            self.file = path.open("wb")

        def write(self, block):
            pass


@found_by(Kind.EXPORTER, "bytes")
class NeedsItsSuffix(Exporter):
    def open(self, path, rate, channels, source=None, seed=0):
        if path.suffix != ".raw":
            raise OutputError("it must end in .raw")
        return super().open(path, rate, channels)


@found_by(Kind.EXPORTER, "readable")
class WrongRate(Exporter):
    def open(self, path, rate, channels, source=None, seed=0):
        return super().open(path, 2 * rate, channels)


class Reader(fakes.RawReader):
    """It opens what begins as it should by the fake, anything else by `other`; every pass goes through `passed`."""

    @contextmanager
    def open(self, path):
        with super().open(path) if path.read_bytes().startswith(b"raw") else self.other(path) as source:
            source.blocks = partial(self.passed, source.blocks)
            yield source

    def other(self, path):
        return super().open(path)

    def passed(self, blocks, frames):
        return blocks(frames)


@found_by(Kind.READER, "suffixes", "garbage", suffixes=())
class ReadsNoSuffix(Reader):
    pass


@found_by(Kind.READER, "garbage")
class Crashes(Reader):
    def other(self, path):
        raise RuntimeError("what?")


@found_by(Kind.READER, "garbage")
class Speechless(Reader):
    def other(self, path):
        raise InputError("")


@found_by(Kind.READER, "garbage")
class WrongError(Reader):
    def other(self, path):
        raise OutputError("it is no audio")


@found_by(Kind.READER, "garbage")
class ReadsAnything(Reader):
    def other(self, path):
        return nullcontext(fakes.RawSource(path, 48_000, 1))


@found_by(Kind.READER, "blocks")
class LongBlocks(Reader):
    def passed(self, blocks, frames):
        return blocks(2 * frames)


@found_by(Kind.READER, "blocks")
class Float64(Reader):
    def passed(self, blocks, frames):
        return (block.double() for block in blocks(frames))


@found_by(Kind.READER, "blocks")
class OtherEachPass(Reader):
    def passed(self, blocks, frames):
        return (block / frames for block in blocks(frames))


# -------------------------------------------------------------------------------------------------- detectors


class Detector(fakes.Half):
    """Its surveys, with the track seen through `change(track, samples of the first block)`."""

    def survey(self, rate):
        survey, first = super().survey(rate), []
        finish = survey.finish
        survey.add = lambda block: (self.seen(block), first.append(block.shape[-1]))
        survey.finish = lambda: self.change(finish(), first[0])
        return survey

    def seen(self, block):
        pass

    def change(self, track, first):
        return track


@found_by(Kind.DETECTOR, "segments")
class NoSegments(Detector):
    def change(self, track, first):
        return BandwidthTrack(())


@found_by(Kind.DETECTOR, "segments")
class BeginsLate(Detector):
    def change(self, track, first):
        return BandwidthTrack((Segment(10, track.lowest),))


@found_by(Kind.DETECTOR, "segments")
class OutOfOrder(Detector):
    def change(self, track, first):
        return BandwidthTrack(tuple(Segment(start, track.lowest) for start in (0, 20, 10)))


@found_by(Kind.DETECTOR, "segments")
class AboveNyquist(Detector):
    def change(self, track, first):
        return BandwidthTrack.constant(Bandwidth(30_000))


@found_by(Kind.DETECTOR, "segments")
class TooSure(Detector):
    def change(self, track, first):
        return BandwidthTrack.constant(Bandwidth(8_000, confidence=93))


@found_by(Kind.DETECTOR, "segments")
class DetectorInPlace(Detector):
    def seen(self, block):
        block.mul_(0.5)


@found_by(Kind.DETECTOR, "streaming")
class FirstBlockAlone(Detector):
    def change(self, track, first):
        return BandwidthTrack.constant(Bandwidth(min(8_000, 100 + first)))


# -------------------------------------------------------------------------------------- finishers and commands


class Finisher:
    def __init__(self, options):
        pass

    def plan(self, rate):
        return Plan(self.change, 4_800, 4_800, receptive_field=0)


@found_by(Kind.FINISHER, "plan")
class ChangesRate(Finisher):
    def plan(self, rate):
        return Plan(lambda windows, start: windows[:, ::2], 4_800, 2_400, receptive_field=0)


@found_by(Kind.FINISHER, "plan")
class FinisherOnlyFloat32(Finisher):
    def change(self, windows, start):
        return windows.float()


@found_by(Kind.FINISHER, "plan")
class FinisherInPlace(Finisher):
    def change(self, windows, start):
        return windows.mul_(0.5)


@found_by(Kind.FINISHER, "plan", "streaming")
class Mono(Finisher):
    def change(self, windows, start):
        return windows[:1]


@found_by(Kind.FINISHER, "streaming")
class FinisherRemembers(Finisher):
    calls = 0

    def change(self, windows, start):
        self.calls += 1
        return windows * self.calls


@found_by(Kind.COMMAND, "help")
class NotCallable(Finisher):
    pass


class Command(fakes.Hello):
    pass


@found_by(Kind.COMMAND, "help")
class NoCode(Command):
    def __call__(self, arguments):
        print("hello")


@found_by(Kind.COMMAND, "help")
class FailsAtHelp(Command):
    def __call__(self, arguments):
        print("there is no help")
        return 2


@found_by(Kind.COMMAND, "help")
class Silent(Command):
    def __call__(self, arguments):
        return 0
