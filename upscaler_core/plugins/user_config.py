"""The user's settings: a small TOML file in the platform's usual folder. The user's own presets are YAML files beside it.

    disabled_plugins = ["soxr"]

    [enhance]
    preset = "mine"
    bits = 16

The tables `enhance` and `run` hold defaults for the options of these commands.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from upscaler_core.atomic import atomic_write
from upscaler_core.errors import UsageError
from upscaler_core.plugins.components import Options, explain, option

HEAD = "# Written by `upscaler plugins --disable` and `--enable`.\n"
_DISABLED = re.compile(r"^disabled_plugins\s*=\s*\[[^\]]*\]", re.MULTILINE)


class Config(Options):
    """The keys of the file."""

    disabled_plugins: list[str] = option([], help="plugins to leave out, by name")
    enhance: dict[str, Any] = option({}, help="defaults of the options of `upscaler enhance`, such as bits = 16")
    run: dict[str, Any] = option({}, help="defaults of the options of `upscaler run`")


def config_file() -> Path:
    """`$UPSCALER_CONFIG`, or config.toml in the user's folder for such files."""
    if path := os.environ.get("UPSCALER_CONFIG"):
        return Path(path)
    base = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "ai-audio-upscaler" / "config.toml"


def read_config() -> Config:
    """The user's settings; the defaults where there is no file.

    Raises:
        UsageError: the file cannot be read or is wrong. The message says where and how.
    """
    path = config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    import tomllib  # only here: a start without a file of settings is faster

    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(map(str, explain(error, Config)))
        raise UsageError(f"{path}: {faults}") from None


def disable_plugins(names: list[str]) -> Path:
    """Write which plugins are disabled into the user's file of settings, and leave all else in it as it is.

    Returns:
        The file.

    Raises:
        OutputError: the file cannot be written.
        UsageError: the file is wrong.
    """
    path, former = config_file(), read_config()
    line = f"disabled_plugins = {json.dumps(names, ensure_ascii=False)}"  # a list of strings is the same in TOML
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    if former.disabled_plugins or _DISABLED.search(text):
        text, count = _DISABLED.subn(lambda match: line, text, count=1)
        if not count:
            raise UsageError(f"{path}: write disabled_plugins as one list at the beginning of a line, or by hand")
    else:
        head = HEAD if text.startswith(HEAD) else ""
        text = f"{head}{line}\n{text.removeprefix(head)}"
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
    return path
