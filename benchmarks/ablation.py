"""Measure what each network and each of its parts contributes: train the same recipe with one part left out at a time.

    python benchmarks/ablation.py --train FOLDER --validation FOLDER [--epochs 3] [--out FOLDER]

It prints the log-spectral distance of the validation at each cut-off, next to that of the null and that of another seed. A
difference that is smaller than the difference between two seeds means nothing. A stopped run continues.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "examples" / "recipes" / "whitepaper-cpu.yaml"
SIZE = "base_channels: 16, num_layers: 4"
SPEC, WAVE = f"spec: {{use: spectral-unet, {SIZE}}}", f"wave: {{use: waveform-unet, {SIZE}}}"


def without(part):
    """The settings that leave a part out of both networks."""
    return [f"models.{name}.without=[{part}]" for name in ("wave", "spec")]


VARIANTS = {
    "both networks": [],
    "both, another seed": ["seed=1"],
    "without the waveform net: random phase": [f"models={{{SPEC}}}", "fusion={use: random-phase}"],
    "without the spectral net": [f"models={{{WAVE}}}", "fusion=null"],
    "without gates": without("gate"),
    "without noise": without("noise"),
    "without AdaIN": without("style"),
    "without skips": without("skips"),
}


def train(folder, settings, options):
    """Train a variant, or continue its training."""
    command = [
        str(Path(sys.executable).with_name("upscaler")), "train", str(RECIPE), "--out", str(folder),
        "--set", f"data.train=[{options.train.resolve()}]", "--set", f"data.validation=[{options.validation.resolve()}]",
        "--set", f"epochs={options.epochs}", "--set", f"scoring.every={options.epochs}",
    ]  # fmt: skip
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command + ["--resume"] * (folder / "state.safetensors").exists(), check=True, stdout=sys.stderr)


def main():
    """Train the variants, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    options = parser.parse_args()
    for name, settings in VARIANTS.items():
        folder = options.out / name.replace(" ", "-").replace(":", "").replace(",", "")
        if not (folder / "report.md").exists():
            train(folder, settings, options)
        lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        scores = [line for line in lines if line["kind"] not in ("step",)]
        print(name, json.dumps(scores[-1]), flush=True)


if __name__ == "__main__":
    main()
