"""The wrapped libraries when they are missing, cannot be imported, or cannot do what a user wants."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
from dsp.signals import UP

from upscaler_core import MissingDependency, UsageError

has_torchaudio = pytest.mark.skipif(
    importlib.util.find_spec("torchaudio") is None, reason="torchaudio is not installed"
)


@pytest.mark.parametrize("name", ["soxr", "torchaudio"])
def test_a_missing_package_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependency, match=rf"pip install 'ai-audio-upscaler\[{name}\]'"):
        UP.resampler(name)


@has_torchaudio
def test_torchaudio_refuses_a_kernel_that_would_fill_memory() -> None:
    with pytest.raises(UsageError, match="use poly-sinc-hq"):
        UP.resampler("torchaudio").plan(44101, 96000)


def test_listing_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'soxr', 'torchaudio', 'scipy'}"
    code = (
        "import sys, upscaler_dsp.plugin, upscaler_soxr.plugin, upscaler_torchaudio.plugin;"
        f" sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
