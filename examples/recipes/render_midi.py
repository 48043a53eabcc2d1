"""Render the MIDI files of a Debian package with a General MIDI soundfont: lossless mixes that reach the Nyquist frequency.

    python examples/recipes/render_midi.py --out FOLDER

Beside what fetch_audio.py fetches, in the same folder and manifest, as the package `openttd-openmsx`. Needs
`fluidsynth` on the path. Every other tune is dry; the rest have the synthesiser's reverb and chorus.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from fetch_audio import LEAST_BANDWIDTH_HZ, all_rows, unpack, write_clips, write_manifest
from rich.progress import track

TUNES, SOUNDFONT = "openttd-openmsx", "fluid-soundfont-gm"
LICENCE = "GPL-2 (tunes), MIT (soundfont)"
RATE = 48_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    if not (out / TUNES).exists():
        render(out)
    write_manifest(out, all_rows(out))


def render(out: Path) -> None:
    """Make the folder `out/openttd-openmsx`."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as folder:
        work = Path(folder)
        unpack(SOUNDFONT, work / "soundfont")
        version = unpack(TUNES, work / "tunes")
        soundfont = next((work / "soundfont").rglob("*.sf2"))
        clips = work / TUNES
        clips.mkdir()
        rows = []
        for number, tune in enumerate(track(sorted((work / "tunes").rglob("*.mid")), description=TUNES)):
            wave = work / f"{tune.stem}.wav"
            effects = str(number % 2)
            command = [
                "fluidsynth",
                "-ni",
                "-q",
                "-R",
                effects,
                "-C",
                effects,
                "-g",
                "0.5",
                "-r",
                str(RATE),
                "-O",
                "float",
            ]
            subprocess.run([*command, "-T", "wav", "-F", wave, soundfont, tune], check=True)
            taken = {"kind": "mixrender", "package": TUNES, "version": version, "licence": LICENCE}
            taken["path"] = tune.relative_to(work / "tunes").as_posix()
            rows += [
                taken | row | {"file": f"{TUNES}/{row['file']}"} for row in write_clips(wave, clips, LEAST_BANDWIDTH_HZ)
            ]
            wave.unlink()
        write_manifest(clips, rows)
        clips.rename(out / TUNES)


if __name__ == "__main__":
    main()
