"""Writes docs/cli.md from the real `--help` of every command: `python tools/docs/cli.py > docs/cli.md`. A test checks it."""

import os
import re
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

This page is the real `--help` of every command. The options that `run` and `enhance` share are shown once, below
[`upscaler run`](#upscaler-run). Components that plugins add appear in `upscaler --help` and `upscaler plugins`.

| exit code | meaning |
|---|---|
| 0 | all done |
| 1 | some files failed, or are damaged so that more than 5 % of them is silence; the others are finished |
| 2 | wrong arguments |
| 3 | an error in the pipeline file |
| 4 | no input, or no checkpoint, could be read |
| 5 | an optional dependency is missing |
| 130 | interrupted by Ctrl-C or SIGTERM |

If every file failed for the same reason, the exit code is that reason's. `UPSCALER_DEBUG=1` shows the traceback of what
would be reported as a bug; `UPSCALER_TRACE=1` prints each call of a plugin's hook.

## Inputs and outputs

* The name of a file or folder that exists is used as it is, brackets and braces included. Only a name that does not exist is
  read as a pattern (`'lib/**/*.mp3'`) or, for `-o`, as a template (`'out/{stem}-{rate}.flac'`; write `{{` for a brace).
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


SHARED = "It also has every option of [`upscaler run`](#upscaler-run).\n"
"""Stands below the help of `enhance`."""


def page() -> str:
    """The whole page. The commands run side by side, as each takes a second to start."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = dict(zip(COMMANDS, pool.map(help_of, COMMANDS), strict=True))
    texts["enhance"] = without_shared_options(texts["enhance"], texts["run"])
    sections = {command: section(command, text) for command, text in texts.items()}
    sections["enhance"] += f"\n{SHARED}"
    return "\n".join([INTRODUCTION, *sections.values()])


def section(command: str, text: str) -> str:
    """A command's section of the page, with its help."""
    return f"## `{f'upscaler {command}'.strip()}`\n\n```text\n{text}\n```\n"


def without_shared_options(text: str, other: str) -> str:
    """A command's help, without the options that another command's help has word for word."""
    head, *options = re.split(r"\n(?=  -)", text)
    shared = {" ".join(option.split()) for option in re.split(r"\n(?=  -)", other)}
    return "\n".join([head, *(option for option in options if " ".join(option.split()) not in shared)])


def help_of(command: str) -> str:
    """One command's help."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "TERMINAL_WIDTH": "100"}
    words = [str(Path(sys.executable).with_name("upscaler")), *command.split(), "--help"]
    output = subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout
    return "\n".join(line.rstrip() for line in output.strip("\n").splitlines())


if __name__ == "__main__":
    sys.stdout.write(page())
