"""For plugin authors: the contract of each kind as named checks, and the installed command line.

`upscaler_core.testing.plugin` has fixtures, and `upscaler_core.testing.signals` has signals to test with.
"""

from __future__ import annotations

from upscaler_core.testing.command_line import Upscaler
from upscaler_core.testing.contracts import contract_failures, contract_tests

__all__ = ["Upscaler", "contract_failures", "contract_tests"]
