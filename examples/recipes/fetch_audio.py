"""Fetch full-band recordings from Debian packages: FLAC clips and a manifest, to train on.

    python examples/recipes/fetch_audio.py --out FOLDER [--packages supertux-data,hedgewars-data] [--gib 4]

`audio_packages.csv` beside this file says what is taken: the package, a pattern for the paths in it, the kind of sound
(`leave`: none of these), the licence and what it is; the first line that fits a path decides. Packages are fetched by
`apt-get download` and unpacked by `dpkg-deb`; nothing is installed. A recording of up to 180 s is kept whole, of a
longer one six excerpts of 30 s spread over it: variety, not hours. A clip stays if it has at least 44.1 kHz and
content up to 16 kHz (speech: 14 kHz).

A package's folder appears in FOLDER when it is complete, and is skipped the next time. `manifest.csv` lists all clips.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from rich.progress import track

TABLE = Path(__file__).with_name("audio_packages.csv")
SUFFIXES = {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".aif", ".aiff"}
ARCHIVES = {".zip", ".pk3", ".wz"}
LEAST_RATE = 44_100
LEAST_SECONDS = 1
WHOLE_SECONDS = 180
EXCERPTS, EXCERPT_SECONDS = 6, 30
LEAST_BANDWIDTH_HZ, LEAST_SPEECH_HZ = 16_000, 14_000
COLUMNS = ["file", "kind", "package", "version", "path", "licence"]
COLUMNS += ["rate", "channels", "seconds", "bandwidth_hz", "sha256"]

FRAME = 4096
BAND_HZ = 250
FLOOR_DB = -110
"""A band under this is empty: 16-bit rounding lies at −130 dB a bin."""
CLIFF_DB = 20
"""No recording falls as fast by nature, a kilohertz against all that is above it: that is images and noise."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument("--packages", help="only these of the table, with commas between them")
    parser.add_argument("--gib", type=float, default=6, help="begin no further package above this size (default: 6)")
    given = parser.parse_args()
    table = read_table()
    names = given.packages.split(",") if given.packages else list(table)
    if unknown := [name for name in names if name not in table]:
        sys.exit(f"{unknown[0]!r} is not in {TABLE}; add a line for it, with its licence.")
    given.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (given.out / name).exists():
            continue
        if sum(clip.stat().st_size for clip in given.out.glob("[!.]*/*.flac")) > given.gib * 2**30:
            sys.exit(f"{given.out} holds more than {given.gib:g} GiB; raise --gib to fetch the rest.")
        try:
            fetch(name, table[name], given.out)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} is left out, as it could not be fetched: {error}", file=sys.stderr)
        write_manifest(given.out, all_rows(given.out))


def read_table() -> dict[str, list[dict[str, str]]]:
    """The table's lines by package."""
    table: dict[str, list[dict[str, str]]] = {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            table.setdefault(line["package"], []).append(line)
    return table


def fetch(name: str, lines: list[dict[str, str]], out: Path) -> None:
    """Download a package and make the folder `out/name` of its recordings."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as folder:
        work = Path(folder)
        source = {"package": name, "version": unpack(name, work / "unpacked")}
        clips = work / name
        clips.mkdir()
        rows = []
        seen = {row["sha256"] for row in all_rows(out)}
        for path in track(recordings(work / "unpacked"), description=name):
            inside = path.relative_to(work / "unpacked").as_posix()
            line = line_for(inside, lines)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if line is None or sha256 in seen:
                continue
            seen.add(sha256)
            taken = source | {"kind": line["kind"], "licence": line["licence"], "path": inside, "sha256": sha256}
            least = LEAST_SPEECH_HZ if line["kind"] == "speech" else LEAST_BANDWIDTH_HZ
            rows += [taken | row | {"file": f"{name}/{row['file']}"} for row in write_clips(path, clips, least)]
        write_manifest(clips, rows)
        clips.rename(out / name)
    print(f"{name}: {len(rows)} clips, {sum(float(row['seconds']) for row in rows) / 60:.1f} minutes", flush=True)


def unpack(name: str, folder: Path) -> str:
    """Download a package, unpack it and the archives in it into a new folder, and give its version."""
    folder.mkdir()
    with tempfile.TemporaryDirectory() as downloads:
        subprocess.run(["apt-get", "-qq", "download", name], cwd=downloads, check=True)
        package = next(Path(downloads).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        open_archives(folder)
        return package.name.split("_")[1]


def open_archives(folder: Path) -> None:
    """Replace each archive by a folder of that name with the recordings in it."""
    for path in [path for path in folder.rglob("*") if path.suffix in ARCHIVES and zipfile.is_zipfile(path)]:
        archive = path.rename(f"{path}.archive")
        with zipfile.ZipFile(archive) as members:
            members.extractall(path, [name for name in members.namelist() if Path(name).suffix.lower() in SUFFIXES])


def recordings(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file() and not p.is_symlink())


def line_for(inside: str, lines: list[dict[str, str]]) -> dict[str, str] | None:
    """The first line whose pattern fits the path, unless it says to leave it."""
    line = next((line for line in lines if fnmatchcase(inside, line["paths"])), None)
    return None if line is None or line["kind"] == "leave" else line


def write_clips(path: Path, folder: Path, least_hz: float) -> Iterator[dict[str, str]]:
    """Write a recording's clips that are full-band, and say what each is."""
    stem = re.sub(r"\W+", "-", path.stem) + "-" + hashlib.sha256(bytes(path)).hexdigest()[:6]
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            if rate < LEAST_RATE:
                return
            for start, seconds in excerpts(file.frames / rate):
                file.seek(round(start * rate))
                samples = file.read(round(seconds * rate), dtype="float32", always_2d=True)
                bandwidth = bandwidth_hz(samples, rate)
                if bandwidth < least_hz:
                    continue
                name = f"{stem}-{start:.0f}s.flac"
                soundfile.write(folder / name, samples / max(1, np.abs(samples).max()), rate, "PCM_16")
                yield {
                    "file": name,
                    "rate": str(rate),
                    "channels": str(samples.shape[1]),
                    "seconds": f"{len(samples) / rate:.2f}",
                    "bandwidth_hz": f"{bandwidth:.0f}",
                }
    except soundfile.LibsndfileError as error:
        print(f"{path.name} is left out, as it could not be read: {error}", file=sys.stderr)


def excerpts(seconds: float) -> list[tuple[float, float]]:
    """Where to cut a recording: starts and lengths in seconds."""
    if seconds < LEAST_SECONDS:
        return []
    if seconds <= WHOLE_SECONDS:
        return [(0.0, seconds)]
    return [((seconds - EXCERPT_SECONDS) * i / (EXCERPTS - 1), EXCERPT_SECONDS) for i in range(EXCERPTS)]


def bandwidth_hz(samples: np.ndarray, rate: int) -> float:
    """Where the content of `[time, channel]` ends in its loudest frames: at a cliff, or where the floor is reached.

    >>> noise = np.random.default_rng(0).normal(size=(96_000, 1)) / 10
    >>> bandwidth_hz(noise, 48_000)
    24000.0
    >>> spectrum = np.fft.rfft(noise, axis=0)
    >>> spectrum[22_000:] /= 100  # 40 dB less from 11 kHz up
    >>> bandwidth_hz(np.fft.irfft(spectrum, axis=0), 48_000)
    11000.0
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME, axis=0)[:: max(FRAME // 2, len(samples) // 500)]
    power = (np.abs(np.fft.rfft(frames * np.hanning(FRAME)) / (FRAME / 4)) ** 2).mean(1)
    level = 10 * np.log10(power + 1e-20)
    count = round(rate / 2 / BAND_HZ)
    edges = np.linspace(0, FRAME // 2, count + 1).astype(int)
    # The lower quartile of a band's bins sees noise, not lines; of the frames, the loudest twentieth count.
    bands = [np.quantile(level[:, low:high], 0.25, axis=1) for low, high in pairwise(edges)]
    profile = np.quantile(bands, 0.95, axis=1)
    drops = [profile[band - 4 : band].mean() - profile[band:].max() > CLIFF_DB for band in range(4, count)]
    ends = drops.index(True) + 4 if any(drops) else count
    while ends and profile[ends - 1] < FLOOR_DB:
        ends -= 1
    return ends * rate / 2 / count


def all_rows(out: Path) -> list[dict[str, str]]:
    """The rows of all packages that are complete."""
    rows = []
    for path in sorted(out.glob("[!.]*/manifest.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    return rows


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write `manifest.csv`, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", newline="", encoding="utf-8", delete=False) as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    Path(file.name).replace(folder / "manifest.csv")


if __name__ == "__main__":
    main()
