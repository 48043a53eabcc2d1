"""Writes docs/cli.md from the real `--help` of every command: `python tools/docs/cli.py > docs/cli.md`. A test checks it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COMMANDS = [
    "",
    "run",
    "enhance",
    "inspect",
    "check",
    "schema",
    "plugins",
    "plugins show",
    "plugins check",
    "plugins new",
    "models",
    "models list",
    "models show",
    "models verify",
    "models import",
    "evaluate",
    "train",
    "tune",
    "doctor",
]

INTRODUCTION = """\
# Command line

This page is the real `--help` of every command. Components that plugins add appear in `upscaler --help` and
`upscaler plugins`.

| exit code | meaning |
|---|---|
| 0 | all done |
| 1 | some files failed, or more than 5 % of one is silence because it is damaged; the others are finished |
| 2 | what was typed |
| 3 | the pipeline file |
| 4 | no input, or no checkpoint, could be read |
| 5 | an optional dependency is missing |
| 130 | interrupted, by Ctrl-C or a polite kill |

Where every file failed for one reason, the exit code is that reason's. `UPSCALER_DEBUG=1` shows the traceback of what
would be reported as a bug; `UPSCALER_TRACE=1` prints each call of a plugin's hook.

## Inputs and outputs

* A file or folder that exists is taken as it is written, brackets and braces included. Only what does not exist is read as a
  glob (`'lib/**/*.mp3'`) or, for `-o`, as a template (`'out/{stem}-{rate}.flac'`; write `{{` for a brace).
* Folders are searched to the bottom. Links are followed. Hidden files and folders, and trash, are not searched.
* `-o out` writes into a folder and mirrors the tree of a folder input, and so does a template. A name such as `out.m4a` is
  taken for a file; write `out.m4a/` if it is a folder.
* Files of one name get longer names: `grandma.mp3` and `grandma.wav` become `grandma.mp3.flac` and `grandma.wav.flac`.
* What this program made is not taken as an input again: files with the tag `ENHANCED_BY`, in the manifest of their folder,
  or named `NAME.upscaled.*`. They are listed as left out. `--reprocess` takes them, too.
* An input is never replaced, also not by the output of another input, and also not with `--overwrite`.
* `--bits`, `--bitrate`, `--quality` and `--dither` go to the format that the output's suffix or `--format` chooses. If that
  format lacks the option, the command stops.

## Your own defaults and presets

The file of settings is `~/.config/ai-audio-upscaler/config.toml` (on Windows in `%APPDATA%`), or what `UPSCALER_CONFIG`
names. Its tables `enhance` and `run` hold defaults for the options of these commands:

```toml
[enhance]
preset = "mine"
format = "wav"
bits = 16
rate = "44.1k"
set = ["seed=3"]
```

`mine.yaml` beside it is a [pipeline file](pipeline.md#the-pipeline-file), which `--preset mine` then runs.
"""


def page() -> str:
    """The whole page. The commands run side by side, as each takes a second to start."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "\n".join([INTRODUCTION, *pool.map(section, COMMANDS)])


def section(command: str) -> str:
    """One command's help."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "100"}
    words = [str(Path(sys.executable).with_name("upscaler")), *command.split(), "--help"]
    output = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout
    lines = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    return f"## `{f'upscaler {command}'.strip()}`\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
