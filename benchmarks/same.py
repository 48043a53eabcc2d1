"""Do two checkouts make the same bytes? For changes that must not be heard.

    python benchmarks/same.py OLD NEW [--old-venv DIR] [--new-venv DIR] [--data shared/data/val] [--only NAME]

OLD and NEW are checkouts. Each is run by the Python of its own virtual environment: `.venv` in the checkout, unless
another one is named. Both must lie on this machine, since the last bits of a sum differ between processors.

Every case runs the same commands in both, one after the other, and compares what came of them:

* `enhance`: recordings in mono, stereo and 5.1, from 8 to 96 kHz, as WAV, FLAC, MP3 and Ogg, through the three presets and
  some settings, into WAV, FLAC, MP3 and Ogg. The files' bytes are compared.
* `inspect`: the JSON of the same recordings.
* `train`: 20 steps of three recipes. All losses and scores of the log, and the weights' bytes.
* `evaluate`: the JSON table of two pipelines.
* `errors`: messages and exit codes of what is typed wrongly.

It prints a line for each comparison that failed, a tally for each case, and ends with exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
import yaml

SECONDS = 2.5
PRESETS = ("baseline", "restore", "whitepaper")
FORMATS = ("wav", "flac", "mp3", "ogg")
MAX_LINES = 20
"""Lines of a difference that are printed."""
TIMES = re.compile(rb'"elapsed": [0-9.e-]+')

Results = dict[str, str]
"""What came of a case: a hash, or a short text, by name."""


@dataclass
class Checkout:
    """A checkout and the environment that runs it."""

    root: Path
    venv: Path
    work: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        paths = [str(self.root), str(self.root / "plugins")]
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "UPSCALER_CONFIG": str(self.work / "config.toml"),
            "XDG_CACHE_HOME": str(self.work / "cache"),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        }

    def upscaler(self, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[bytes]:
        """Run the command line in this checkout's working folder; another exit code than `code` ends the comparison."""
        run = "import sys; from upscaler_core.cli import main; sys.argv[0] = 'upscaler'; main()"
        command = [str(self.venv / "bin" / "python"), "-P", "-c", run, *map(str, words)]
        done = subprocess.run(command, cwd=self.work, env=self.environment, capture_output=True, check=False)
        if code is not None and done.returncode != code:
            sys.exit(f"{self.root}: upscaler {' '.join(map(str, words))}\n{done.stderr.decode(errors='replace')}")
        return done


def recordings(folder: Path, root: Path) -> None:
    """Write the inputs: parts of real recordings, brought to many rates, channel counts, formats and bit depths."""
    music, rate = sf.read(root / "examples/audio/void_sensor_30s_streamcopy.ogg", dtype="float32", always_2d=True)
    voice, voice_rate = sf.read(root / "examples/audio/speech_kerstin_de_cc0_48k.flac", dtype="float32", always_2d=True)
    assert (rate, voice_rate) == (44_100, 48_000)
    music, voice = music[5 * rate :], voice[voice_rate // 2 :]
    folder.mkdir(parents=True)

    def at(rate: int, samples: np.ndarray, old: int) -> np.ndarray:
        """Keep every n-th sample, after a mean of n: crude, and the same on every machine."""
        step = max(1, round(old / rate))
        excerpt = samples[: round(SECONDS * rate) * step]
        return excerpt[: len(excerpt) // step * step].reshape(-1, step, excerpt.shape[1]).mean(1)

    def write(name: str, samples: np.ndarray, rate: int, subtype: str | None = None) -> None:
        sf.write(folder / name, samples, rate, subtype=subtype)

    write("mono_8k.wav", at(8_000, voice, 48_000), 8_000, "PCM_16")
    write("mono_12k_ulaw.wav", at(12_000, voice, 48_000), 12_000, "ULAW")
    write("mono_16k.flac", at(16_000, voice, 48_000), 16_000, "PCM_16")
    write("stereo_22k.wav", at(22_050, music, 44_100), 22_050, "PCM_24")
    write("stereo_22k_lame.mp3", at(22_050, music, 44_100), 22_050)
    write("stereo_24k.ogg", at(24_000, np.repeat(voice, 2, 1), 48_000), 24_000)
    write("stereo_44k.flac", music[: round(SECONDS * 44_100)], 44_100, "PCM_24")
    write("stereo_44k_loud.wav", 4 * music[: round(SECONDS * 44_100)], 44_100, "FLOAT")
    gap = music[: round(SECONDS * 44_100)].copy()
    gap[30_000:80_000] = 0
    write("stereo_44k_gap.wav", gap, 44_100, "PCM_16")
    write("mono_48k.ogg", voice[: round(SECONDS * 48_000)], 48_000)
    surround = at(16_000, np.concatenate([voice[:200_000]] * 6, 1), 48_000) * [1, 0.5, 0.7, 0.1, -0.3, 0.2]
    write("surround_16k.wav", surround.astype(np.float32), 16_000, "PCM_16")
    write("surround_16k_24.flac", surround.astype(np.float32), 16_000, "PCM_24")
    held = np.repeat(at(24_000, voice, 48_000), 4, 0)  # an octave and more of images
    write("mono_96k.wav", held, 96_000, "PCM_24")
    smooth = np.apply_along_axis(
        lambda c: np.convolve(np.repeat(c, 2), np.hanning(65) / 32, "same"), 0, music[:110_000]
    )
    write("stereo_88k.flac", smooth.astype(np.float32), 88_200, "PCM_24")


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def files(folder: Path) -> Results:
    """Every file below a folder, hidden ones left out."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(folder)): digest(path) for path in paths}


def enhance(checkout: Checkout) -> Results:
    """Every recording through the presets and settings, into the formats."""
    results: Results = {}

    def run(name: str, *words: object) -> None:
        out = checkout.work / "out" / name
        checkout.upscaler("enhance", "in", *words, "-o", f"{out}/")
        results.update({f"{name}/{file}": value for file, value in files(out).items()})

    for preset in PRESETS:
        run(preset, "--preset", preset)
    for suffix in FORMATS:
        template = checkout.work / "out" / "formats" / f"{{name}}.{suffix}"
        checkout.upscaler("enhance", "in", "--preset", "baseline", "-o", template, code=None)
    results.update({f"formats/{file}": value for file, value in files(checkout.work / "out" / "formats").items()})
    run("mid-side", "--preset", "restore", "--set", "stereo=mid-side", "-r", 48_000)
    run("literal", "--preset", "whitepaper", "--set", "keep_source_band=false", "--no-limit", "-r", 44_100)
    run("cutoff", "--preset", "restore", "--set", "cutoff_hz=3500", "--set", "seed=7", "-r", 96_000)
    run("short-chunks", "--preset", "whitepaper", "--set", "chunk.samples=30000", "--set", "chunk.context=0.1")
    run("sixteen", "--preset", "baseline", "-r", 48_000, "--set", "export={use: flac, bits: 16, dither: shaped}")
    run("tilted", "--preset", "baseline", "--set", "models={a: {use: tilted-noise}}", "-r", 48_000)
    blend = "{a: {use: tilted-noise}, b: {use: waveform-unet}}"
    run("blend", "--preset", "baseline", "--set", f"models={blend}", "--set", "fusion={use: blend}", "-r", 48_000)
    random = ["--set", "models={a: {use: spectral-unet}}", "--set", "fusion={use: random-phase, magnitude: a}"]
    run("random", "--preset", "baseline", *random, "-r", 48_000)
    for resampler in ("sinc", "linear", "soxr"):
        run(resampler, "--preset", "baseline", "--set", f"resampler={{use: {resampler}}}", "-r", 48_000)
    return results


def inspect(checkout: Checkout) -> Results:
    """What `inspect` finds, a result for each file, and what enhance's JSON says."""
    entries = json.loads(checkout.upscaler("inspect", "in", "--json").stdout)
    results = {entry["file"]: json.dumps(entry, sort_keys=True) for entry in entries}
    summary = checkout.upscaler("enhance", "in", "--json", "-q", "-o", checkout.work / "json/", "--preset", "restore")
    report = json.loads(TIMES.sub(b'"elapsed": 0', summary.stdout))
    for entry in report["files"]:
        text = json.dumps(entry, sort_keys=True).replace(str(checkout.work), "")
        results[f"summary of {entry['source']}"] = text
    return results


RECIPES: dict[str, dict[str, object]] = {
    "fusion": {
        "channels": "mid-side",
        "augmentations": [{"use": "level", "min_db": -12, "max_db": 3, "probability": 0.5}],
        "robust_training": True,
        "degradations": [
            {"use": "quantization", "min_bits": 8, "max_bits": 12, "probability": 0.5},
            {"use": "mp3", "min_kbps": 64, "max_kbps": 128, "probability": 0.5},
        ],
        "models": {
            "wave": {"use": "waveform-unet", "base_channels": 16, "num_layers": 3},
            "spec": {"use": "spectral-unet", "base_channels": 16, "num_layers": 3},
        },
        "fusion": {"use": "magnitude-phase", "magnitude": "spec", "phase": "wave", "iterations": 1},
        "losses": [
            {"use": "multi-resolution-stft", "weight": 0.7},
            {"use": "l1", "weight": 0.3},
            {"use": "stereo", "weight": 0.1},
            {"use": "log-spectral-distance", "weight": 0.1},
            {"use": "adversarial", "weight": 0.1, "channels": 4},
        ],
        "accumulate": 2,
        "mix": 0.3,
        "speed": 0.1,
    },
    "objective": {
        "models": {"restore": {"use": "spectral-convnext", "channels": 32, "blocks": 2}},
        "robust_training": False,
        "precision": "bfloat16",
        "workers": 1,
    },
    "literal": {
        "models": {"wave": {"use": "waveform-unet", "base_channels": 16, "num_layers": 3}},
        "keep_source_band": False,
        "losses": [{"use": "metric", "metric": "ssim"}, {"use": "l1"}],
        "robust_training": False,
    },
}


def train(checkout: Checkout) -> Results:
    """Twenty steps of each recipe: the log's numbers, and the weights."""
    results: Results = {}
    audio = checkout.root / "examples" / "audio"
    for name, own in RECIPES.items():
        recipe = {
            "version": 1,
            "data": {
                "train": [str(audio / "arovane_beat_d_cc0_lossless.flac"), str(audio / "vibe_ace_30s_streamcopy.ogg")],
                "validation": [str(audio / "speech_kerstin_de_cc0_48k.flac")],
            },
            "seconds": 0.5, "excerpts": 40, "batch": 4, "epochs": 2, "workers": 0, "precision": "float32",
            "optimizer": {"learning_rate": 1e-3},
            "scoring": {"cutoffs": [4000, 8000], "seconds": 1},
            **own,
        }  # fmt: skip
        path = checkout.work / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe))
        run = checkout.work / "runs" / name
        checkout.upscaler("train", path, "--out", run, "--device", "cpu")
        for line in (run / "log.jsonl").read_text().splitlines():
            entry = json.loads(line)
            results[f"{name}: {entry['kind']} {entry['step']} {entry.get('name', '')}"] = line
        for weights in sorted((run / "last").glob("*.safetensors")):
            results[f"{name}: {weights.name}"] = tensor_bytes(weights)
        results[f"{name}: pipeline.yaml"] = digest(run / "last" / "pipeline.yaml")
    return results


def tensor_bytes(path: Path) -> str:
    """A hash of a safetensors file's tensors, without its card, which holds times."""
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()[:16]


def evaluate(checkout: Checkout, data: Path | None) -> Results:
    """Every number of a table."""
    folder = data or checkout.root / "examples" / "audio"
    out = checkout.work / "evaluate.json"
    words = ["--data", folder, "--cutoffs", "4000,8000", "--limit", 1, "--json", out, "--device", "cpu"]
    checkout.upscaler("evaluate", "restore", "whitepaper", *words)
    return {f"value {path}": repr(value) for path, value in leaves(json.loads(out.read_text()))}


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every number and text of a JSON value, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


WRONG: dict[str, list[str]] = {
    "no such file": ["enhance", "missing.wav"],
    "no such preset": ["enhance", "in/mono_8k.wav", "--preset", "restor"],
    "no such suffix": ["enhance", "in/mono_8k.wav", "-o", "out.xyz"],
    "mp3 at 96 kHz": ["enhance", "in/mono_8k.wav", "-o", "out.mp3", "-r", "96000"],
    "surround as mp3": ["enhance", "in/surround_16k.wav", "-o", "out.mp3"],
    "the input itself": ["enhance", "in/mono_8k.wav", "-o", "in/mono_8k.wav"],
    "wrong setting": ["enhance", "in/mono_8k.wav", "--set", "chunk.sample=3"],
    "wrong value": ["enhance", "in/mono_8k.wav", "--set", "chunk.samples=3"],
    "unknown component": ["enhance", "in/mono_8k.wav", "--set", "resampler.use=sinq"],
    "two models": ["enhance", "in/mono_8k.wav", "--set", "models={a: {use: tilted-noise}, b: {use: tilted-noise}}"],
    "one output": ["enhance", "in", "-o", "out.flac"],
    "exclusive": ["enhance", "in/mono_8k.wav", "--overwrite", "--resume"],
    "shard": ["enhance", "in/mono_8k.wav", "--shard", "3"],
    "resume nowhere": ["enhance", "in/mono_8k.wav", "--resume"],
    "template": ["enhance", "in", "--dry-run", "-o", "{stem}.flac"],
    "dry run": ["enhance", "in", "--dry-run", "-o", "dry/"],
    "dry run, json": ["enhance", "in", "--dry-run", "--json", "-q", "-o", "dry/"],
    "template with a rate": ["enhance", "in", "--dry-run", "-o", "dry/{name}_{rate}.mp3"],
    "no pipeline": ["run", "missing.yaml", "in/mono_8k.wav"],
    "no recipe": ["train", "missing.yaml"],
    "no reference": ["evaluate", "in/mono_8k.wav", "missing.wav"],
    "pair": ["evaluate", "in/surround_16k.wav", "in/surround_16k_24.flac"],
    "checkpoints": ["models", "list"],
    "unknown checkpoint": ["models", "show", "restored"],
    "unknown plugin": ["plugins", "show", "sinq"],
    "schema": ["schema"],
}


def errors(checkout: Checkout) -> Results:
    """What is said, and with which exit code."""
    results: Results = {}
    for name, words in WRONG.items():
        done = checkout.upscaler(*words, code=None)
        text = (done.stdout + b"\n" + done.stderr).decode(errors="replace")
        text = text.replace(str(checkout.work), "").replace(str(checkout.root), "")
        results[name] = f"exit {done.returncode}: {text}"
    return results


def main() -> int:
    """Compare, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--old-venv", type=Path)
    parser.add_argument("--new-venv", type=Path)
    parser.add_argument("--data", type=Path, help="a folder of recordings for evaluate; the examples' by default")
    parser.add_argument("--only", action="append", help="a case; may be repeated")
    parser.add_argument("--keep", type=Path, help="a folder for all that is made; OLD's part of it is used again")
    arguments = parser.parse_args()
    data = arguments.data.resolve() if arguments.data else None
    cases: dict[str, Callable[[Checkout], Results]] = {
        "enhance": enhance, "inspect": inspect, "train": train,
        "evaluate": lambda checkout: evaluate(checkout, data), "errors": errors,
    }  # fmt: skip
    chosen = {name: case for name, case in cases.items() if not arguments.only or name in arguments.only}
    base = arguments.keep.resolve() if arguments.keep else Path(tempfile.mkdtemp())
    differing = total = 0
    try:
        old, new = (
            Checkout(root.resolve(), (venv or root / ".venv").absolute(), base / side)
            for root, venv, side in (
                (arguments.old, arguments.old_venv, "old"),
                (arguments.new, arguments.new_venv, "new"),
            )
        )
        shutil.rmtree(new.work, ignore_errors=True)
        if not (base / "in").exists():
            recordings(base / "in", old.root)
        for checkout in (old, new):
            shutil.copytree(base / "in", checkout.work / "in", dirs_exist_ok=True)
        for name, case in chosen.items():
            known = old.work / f"{name}.results.json"
            if not known.exists():
                known.write_text(json.dumps(case(old)))
            before, after = json.loads(known.read_text()), case(new)
            wrong = [key for key in {**before, **after} if before.get(key) != after.get(key)]
            for key in wrong:
                lines = (str(side.get(key)).splitlines() for side in (before, after))
                difference = list(difflib.unified_diff(*lines, "old", "new", n=0, lineterm=""))
                print(f"{name}: {key} differs", *difference[:MAX_LINES], sep="\n  ")
            print(f"{name}: {len(before) - len(set(wrong) & set(before))} of {len(before)} the same", flush=True)
            differing, total = differing + len(wrong), total + len(before)
    finally:
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    print(f"in all: {total - differing} of {total} the same")
    return 1 if differing or not total else 0


if __name__ == "__main__":
    sys.exit(main())
