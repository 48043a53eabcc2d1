"""What the toolkit asks of every plugin."""

import subprocess
import sys
from collections.abc import Callable

from upscaler_core.testing import contract_tests


@contract_tests("example/example")
def test_contract(check: Callable[[], None]) -> None:
    """Each rule of its kind's contract is a test."""
    check()


def test_listing_it_imports_nothing_heavy() -> None:
    """Every `upscaler` command imports `plugin.py`."""
    heavy = {"torch", "numpy", "scipy", "soundfile"}
    code = f"import sys, upscaler_example.plugin; print(*{heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
