"""Writes docs/contracts.md from the checks: `python tools/docs/contracts.py > docs/contracts.md`. A test checks it."""

import sys

from upscaler_core import Kind
from upscaler_core.testing.contracts import checks_of

INTRODUCTION = """\
# What each kind's contract asks

`upscaler plugins check NAME` and `contract_tests("NAME")` run these checks on a component ([how](plugins.md#tests)). A
failure gives the check's name, what it asked and what it saw. For each check the toolkit's own tests have components that
break it, so each check is known to find what it is for.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for kind in Kind:
        rows = "\n".join(f"| {check.name} | {check.asks} |" for check in checks_of(kind))
        parts.append(f"## {str(kind).capitalize()}\n\n| check | asks that |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
