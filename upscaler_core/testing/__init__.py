"""For plugin authors: each kind's contract as named checks, and signals to test on."""

from __future__ import annotations

from upscaler_core.testing.contracts import contract_failures, contract_tests

__all__ = ["contract_failures", "contract_tests"]
