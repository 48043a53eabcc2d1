"""What each network and each of its parts is worth: trains the same recipe with one thing left out at a time.

    python benchmarks/ablation.py --train FOLDER --validation FOLDER [--epochs 3] [--out FOLDER]

Prints the validation's log-spectral distance at each cut-off, beside the null's and another seed's: what differs by less
than a seed does is worth nothing that this could measure. Goes on where it was stopped.
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


def left_out(part):
    """Settings that leave a part out of both networks."""
    return [f"models.{name}.without=[{part}]" for name in ("wave", "spec")]


VARIANTS = {
    "both networks": [],
    "both, another seed": ["seed=1"],
    "without the waveform net: random phase": [f"models={{{SPEC}}}", "fusion={use: random-phase}"],
    "without the spectral net": [f"models={{{WAVE}}}", "fusion=null"],
    "without gates": left_out("gate"),
    "without noise": left_out("noise"),
    "without AdaIN": left_out("style"),
    "without skips": left_out("skips"),
}


def train(folder, settings, options):
    """Train a variant, or go on with it."""
    words = [
        str(Path(sys.executable).with_name("upscaler")), "train", str(RECIPE), "--out", str(folder),
        "--set", f"data.train=[{options.train.resolve()}]", "--set", f"data.validation=[{options.validation.resolve()}]",
        "--set", f"epochs={options.epochs}", "--set", f"scoring.every={options.epochs}",
    ]  # fmt: skip
    for setting in settings:
        words += ["--set", setting]
    subprocess.run(words + ["--resume"] * (folder / "state.safetensors").exists(), check=True, stdout=sys.stderr)


def main():
    """Print a table."""
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
