"""Fixtures for plugin authors, as a pytest plugin: in pyproject.toml, `addopts = "-p upscaler_core.testing.plugin"`.

It is no entry point (`pytest11`), because every run of pytest in the environment imports those, also in projects that have
nothing to do with audio. Nothing heavy is imported until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from upscaler_core.plugins.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from upscaler_core.testing.command_line import Upscaler
    from upscaler_core.testing.tiny_model import Tiny

SIGNALS = ("silence", "impulse", "tone", "noise", "bursts", "band-limited", "speech")


@pytest.fixture(scope="session")
def hermetic_registry() -> Callable[..., Registry]:
    """A function that makes a registry of the toolkit's fakes and of further plugins: `hermetic_registry(mine=plugin)`.

    The plugins are modules, or objects with hooks. Nothing that is installed is in the registry, so a test does not depend
    on the environment.
    """
    from upscaler_core.testing import fakes

    return lambda **plugins: Registry(points=(), plugins={"fakes": fakes.plugin, **plugins})


@pytest.fixture(params=SIGNALS)
def signal(request: pytest.FixtureRequest) -> Tensor:
    """One second at 48 kHz, `[2, 48000]`. A test that takes it runs once for each of silence, an impulse, a tone, noise,
    bursts of noise between silence, noise that ends at 8 kHz, and speech.
    """
    from upscaler_core.testing.signals import EXAMPLES

    return EXAMPLES[request.param]()


@pytest.fixture
def speech() -> Tensor:
    """One second of real speech at 48 kHz, `[1, 48000]`."""
    from upscaler_core.testing import signals

    return signals.speech().clone()


@pytest.fixture(scope="session")
def tiny_model() -> Tiny:
    """A trained model with 33 weights, to test whatever uses the output of a model."""
    from upscaler_core.testing.tiny_model import trained

    return trained()


@pytest.fixture
def project(tmp_path: Path) -> Upscaler:
    """Runs `upscaler` in a temporary folder with a short recording, `speech.flac`: `project("run", ...)`.

    It returns what `subprocess.run` returns: `returncode`, `stdout`, `stderr`. The folder is `project.folder`.
    """
    from upscaler_core.testing.command_line import Upscaler
    from upscaler_core.testing.signals import SPEECH

    (tmp_path / "speech.flac").write_bytes(SPEECH.read_bytes())
    return Upscaler(tmp_path)
