"""The user's settings: a small TOML file in the platform's usual folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import ValidationError

from upscaler_core.atomic import atomic_write
from upscaler_core.errors import UsageError
from upscaler_core.plugins.components import Options, explain, option

HEAD = "# Written by `upscaler plugins --disable` and `--enable`.\n"


class Config(Options):
    """The keys of the file."""

    disabled_plugins: list[str] = option([], help="plugins to leave out, by name")


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


def write_config(config: Config) -> Path:
    """Write the user's settings, completely or not at all.

    Returns:
        The file.

    Raises:
        OutputError: the file cannot be written.
    """
    path = config_file()
    names = json.dumps(config.disabled_plugins, ensure_ascii=False)  # a list of strings is the same in TOML
    with atomic_write(path) as part:
        part.write_text(f"{HEAD}disabled_plugins = {names}\n", encoding="utf-8")
    return path
