"""Writes docs/components.md from the options: `python tools/docs/components.py > docs/components.md`. A test checks it."""

import sys
from collections.abc import Iterator

from upscaler_core import Component, Kind, Registry, discover
from upscaler_core.cli.plugins import option_facts

INTRODUCTION = """\
# Built-in components

Everything that comes with the toolkit, by kind, with the options for a [pipeline file](pipeline.md) or a
[recipe](training.md). `upscaler plugins show NAME` prints the same; `upscaler plugins` also lists what other plugins add.
"""

MORE = {
    Kind.RESAMPLER: "Change the sample rate. How they are designed: [filters](filters.md); what they measure:"
    " [benchmarks](benchmarks.md#resamplers).",
    Kind.DETECTOR: "Find where the content ends: [when it is wrong](cutoffs.md).",
    Kind.MODEL: "Estimate the full band: [the networks](models.md), [the null](evaluation.md#the-null).",
    Kind.FUSION: "Join the answers of several models: [fusions](models.md#fusions).",
    Kind.DEGRADATION: "Damage recordings for training: [how each is made](degradations.md).",
    Kind.LOSS: "What training minimizes: [definitions](losses.md).",
    Kind.METRIC: "What `upscaler evaluate` measures: [definitions](evaluation.md#metrics).",
    Kind.EXPORTER: "Write files; the output's suffix chooses one: [what is kept](pipeline.md).",
    Kind.READER: "Read files, chosen by suffix, then by what is in them: [damaged files](reliability.md).",
    Kind.FINISHER: "Work on the finished signal: [the limiter measured](benchmarks.md#limiter).",
    Kind.COMMAND: "Sub-commands of `upscaler`: [their help](cli.md).",
}


def page() -> str:
    """The whole page."""
    registry = discover()
    return "\n".join([INTRODUCTION, *(line for kind in Kind for line in section(registry, kind))])


def section(registry: Registry, kind: Kind) -> Iterator[str]:
    """One kind, and the hook that others of it come in by."""
    yield f"## {kind.plural.capitalize()}\n\n{MORE[kind]} [Write your own](hooks/{kind.plural}.md).\n"
    for entry in registry.of(kind):
        if entry.plugin.built_in:
            yield from described(entry.component)


def described(component: Component) -> Iterator[str]:
    """One component: what it is, what it needs, its options."""
    yield f"### `{component.name}`\n\n{component.summary}\n"
    if component.suffixes:
        yield f"Suffixes: {' '.join(f'`{suffix}`' for suffix in component.suffixes)}\n"
    if component.extra:
        yield f"Needs `pip install '{component.extra}'`.\n"
    rows = [
        f"| `{option.name}` | {', '.join(filter(None, (option.type.replace(' | ', ', '), option.unit, option.bounds)))} "
        f"| {f'`{option.default}`' if option.default else 'required'} | {option.help} |"
        for option in option_facts(component)
    ]
    if rows:
        yield "\n".join(["| option | values | default | meaning |", "|---" * 4 + "|", *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
