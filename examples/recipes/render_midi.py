"""Render the MIDI files of a Debian package with General MIDI soundfonts: lossless mixes, some bright and some dull.

    python examples/recipes/render_midi.py --out FOLDER

Beside what fetch_audio.py fetches, in the same folder and manifest, one package a soundfont. Needs `fluidsynth` on the
path. Every other tune is dry; the rest have the synthesiser's reverb and chorus. Nothing was taken away from a render,
so its bandwidth is the Nyquist frequency, however dull it is.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from fetch_audio import all_rows, unpack, write_clips, write_manifest
from rich.progress import track

TUNES, TUNES_LICENCE = "openttd-openmsx", "GPL-2"
SOUNDFONTS = {
    "fluid-soundfont-gm": "MIT",
    "timgm6mb-soundfont": "GPL-2",
    "musescore-general-soundfont": "MIT",
    "csound-soundfont": "LGPL-2.1+",
}
RATE = 44_100
"""The soundfonts' own: a higher one would leave the top empty."""
SYNTHESISER = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-r", str(RATE), "-O", "float", "-T", "wav"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for soundfont in SOUNDFONTS:
        if not (out / f"{TUNES}+{soundfont}").exists():
            render(soundfont, out)
    write_manifest(out, all_rows(out))


def render(soundfont: str, out: Path) -> None:
    """Make the folder of the tunes as the soundfont plays them."""
    with tempfile.TemporaryDirectory(dir=out, prefix=".") as folder:
        work = Path(folder)
        unpack(soundfont, work / "soundfont")
        version = unpack(TUNES, work / "tunes")
        bank = next((work / "soundfont").rglob("*.sf[23]"))
        name = f"{TUNES}+{soundfont}"
        licence = f"{TUNES_LICENCE} (tunes), {SOUNDFONTS[soundfont]} (soundfont)"
        clips = work / name
        clips.mkdir()
        rows = []
        for number, tune in enumerate(track(sorted((work / "tunes").rglob("*.mid")), description=name)):
            wave = work / f"{tune.stem}.wav"
            effects = str(number % 2)
            subprocess.run([*SYNTHESISER, "-R", effects, "-C", effects, "-F", wave, bank, tune], check=True)
            taken = {"kind": "mixrender", "package": name, "version": version, "licence": licence}
            taken["path"] = tune.relative_to(work / "tunes").as_posix()
            for row in write_clips(wave, clips, least_hz=0):
                rows.append(taken | row | {"file": f"{name}/{row['file']}", "bandwidth_hz": str(RATE // 2)})
            wave.unlink()
        write_manifest(clips, rows)
        clips.rename(out / name)


if __name__ == "__main__":
    main()
