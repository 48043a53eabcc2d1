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
