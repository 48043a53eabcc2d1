"""Render solo instruments that nobody filtered: organs, pianos, flutes, choirs, basses and all other General MIDI sounds.

    python examples/recipes/detector/render_solos.py --soundfont FILE.sf2 --out FOLDER [--seed 0]

Twelve seconds of random notes for each of the 128 sounds, as FLAC. Many end by themselves far below the Nyquist frequency. A
detector has to learn that this is no edge. Needs `fluidsynth`.
"""

from __future__ import annotations

import argparse
import random
import struct
import subprocess
import tempfile
from pathlib import Path

import soundfile

SECONDS = 12


def variable_length(value: int) -> bytes:
    """A number as MIDI files write it: 7 bits a byte."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def events_of(program: int, start: int, rng: random.Random) -> list[tuple[int, bytes]]:
    """One sound from a tick on: random notes and chords at 960 ticks a second, and a pause."""
    events: list[tuple[int, bytes]] = [(start, bytes([0xC0, program]))]
    time, root = start, rng.randint(36, 72)
    while time < start + SECONDS * 960 - 1500:
        length = rng.choice([120, 240, 480, 960, 1920])
        for _ in range(rng.choice([1, 1, 1, 3])):
            note = max(21, min(108, root + rng.choice([0, 2, 3, 5, 7, 8, 10, 12, 15, 19, 24, -12])))
            events += [(time, bytes([0x90, note, rng.randint(30, 127)])), (time + length - 10, bytes([0x80, note, 0]))]
        time += length if rng.random() < 0.8 else 2 * length
    return [*events, (start + SECONDS * 960, bytes([0xB0, 120, 0]))]


def midi_file(events: list[tuple[int, bytes]]) -> bytes:
    """A MIDI file, format 0, 480 ticks a beat of half a second."""
    data, before = b"", 0
    for at, event in sorted(events, key=lambda e: e[0]):
        data += variable_length(at - before) + event
        before = at
    data += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(data)) + data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soundfont", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="every n-th sound only")
    parser.add_argument("--rate", type=int, default=44_100)
    parser.add_argument("--dry", action="store_true", help="without reverberation and chorus")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(options.seed)
    programs = range(0, 128, options.every)
    events = [e for i, program in enumerate(programs) for e in events_of(program, i * (SECONDS + 1) * 960, rng)]
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "x.mid", Path(folder) / "x.wav"
        midi.write_bytes(midi_file(events))
        effects = "0" if options.dry else "1"
        command = ["fluidsynth", "-ni", "-q", "-g", "0.7", "-r", str(options.rate), "-R", effects, "-C", effects]
        subprocess.run([*command, "-O", "float", "-T", "wav", "-F", wave, options.soundfont, midi], check=True)
        for i, program in enumerate(programs):
            start = i * (SECONDS + 1) * options.rate
            x, _ = soundfile.read(wave, start=start, frames=SECONDS * options.rate, always_2d=True)
            if len(x) and abs(x).max() > 1e-3:
                peak = max(1.0, abs(x).max())
                soundfile.write(options.out / f"{program:03d}.flac", x / peak, options.rate, subtype="PCM_24")


if __name__ == "__main__":
    main()
