"""For plugin authors: each kind's contract as named checks, the installed command line, and signals to test on.

`upscaler_core.testing.plugin` has fixtures, `upscaler_core.testing.signals` signals.
"""

from __future__ import annotations

from upscaler_core.testing.contracts import contract_failures, contract_tests
from upscaler_core.testing.project import Upscaler

__all__ = ["Upscaler", "contract_failures", "contract_tests"]
