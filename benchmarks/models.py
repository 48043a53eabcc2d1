"""Print the sizes and the CPU time of the networks at 48 kHz, one thread: `python benchmarks/models.py`.

Times are the least of several runs.
"""

import time

import torch

from upscaler_core import Conditions, Pipeline, discover

RATE, SECONDS = 48_000, 2.048


def least(action, runs=4):
    """The least CPU time of several runs, seconds."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def conditions(batch):
    """The conditions of a batch: a cut-off of 8 kHz, at the beginning of a recording."""
    return Conditions(torch.full((batch,), 8_000.0), torch.zeros(batch, dtype=torch.int64), RATE)


def training_step(model):
    """A function that runs a training step with 8 items of one second, in bfloat16."""
    optimizer, x = torch.optim.Adam(model.parameters()), 0.1 * torch.randn(8, 1, 47 * 1_024)

    def step():
        with torch.autocast("cpu", torch.bfloat16):
            estimate = model(x, conditions(8))
        view = estimate.log_magnitude if estimate.waveform is None else estimate.waveform
        torch.autograd.backward(view.square().mean())
        optimizer.step()
        optimizer.zero_grad()

    return step


def main():
    """Print a line for each network and precision."""
    torch.set_num_threads(1)
    up = discover()
    x, source = 0.1 * torch.randn(1, 1, round(SECONDS * RATE)), 0.1 * torch.randn(1, 20 * 16_000)
    for precision in ("float32", "bfloat16"):
        models = {
            name: up.model(use, checkpoint="none", precision=precision)
            for name, use in {"wave": "waveform-unet", "spec": "spectral-unet"}.items()
        }
        for model in models.values():
            count = sum(weight.numel() for weight in model.parameters())
            with torch.no_grad():
                spent = least(lambda model=model: model(x, conditions(1))) / SECONDS
            print(f"{type(model).__name__:15} {count / 1e6:.2f} M  {precision}  {spent:.3f} CPU-s per s of audio")
        fusion = up.fusion("magnitude-phase")
        pipeline = Pipeline(up.resampler("poly-sinc-hq"), RATE, models, fusion, cutoff_hz=8_000.0)
        spent = least(lambda pipeline=pipeline: pipeline(source, 16_000), 2) / 20
        print(f"{'both, 16 kHz in':15}         {precision}  {spent:.3f} CPU-s per s of audio")
    for model in models.values():
        print(f"{type(model).__name__:15} training step, 8 x 1 s: {least(training_step(model.train()), 3):.2f} CPU-s")


if __name__ == "__main__":
    main()
