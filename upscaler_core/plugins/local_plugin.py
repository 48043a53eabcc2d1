"""Local plugins: each is one Python file, for work that needs no package. Loading such a plugin runs its code."""

from __future__ import annotations

import sys
import traceback
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from upscaler_core.errors import PluginError


def load_file(path: Path) -> ModuleType:
    """Run a file as a module with a name of its own, so that `f"{__name__}:Class"` in the file is a factory.

    Raises:
        PluginError: the file cannot be read, or its name does not end in .py.
        BaseException: the file raised it.
    """
    name = f"{path.stem}_{blake2b(bytes(path), digest_size=4).hexdigest()}"
    spec = spec_from_file_location(name, path)
    if path.suffix != ".py" or spec is None:
        raise PluginError("a local plugin is a file of Python, whose name ends in .py")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"cannot be read: {error.strerror}") from None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        # The source is compiled here, because a file that Python compiled before can be a second older than the source.
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102
    except BaseException:
        del sys.modules[name]
        raise
    return module


def location(error: BaseException, file: str) -> str:
    """`file:line: ` of the line in `file` that an error came from; empty if it came from elsewhere."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{file}:{error.lineno}: "
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{file}:{lines[-1]}: " if lines else ""
