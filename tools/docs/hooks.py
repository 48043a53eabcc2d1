"""Writes a page for each hook, from the code that defines it: `python tools/docs/hooks.py`. A test checks them.

What a hook is for is in `plugins.hookspecs`, its protocol in `plugins.protocols`. The example is what `upscaler plugins new`
writes.
"""

import inspect
import re
from pathlib import Path

from upscaler_core import Component, Kind, Plan, StftConfig, discover
from upscaler_core.cli.scaffold import TEMPLATES
from upscaler_core.plugins import hookspecs, protocols

REGISTRY = discover()
FOLDER = Path(__file__).parents[2] / "docs" / "hooks"
OPTIONAL = {Kind.MODEL: ["Trainable"], Kind.LOSS: ["Adversary"]}
"""Protocols that a component may fulfil beside its kind's."""
CLASSES = {
    **{
        name: value for name, value in vars(protocols).items() if getattr(value, "__module__", "") == protocols.__name__
    },
    "Plan": Plan,
    "StftConfig": StftConfig,
}
"""What the pages show where a protocol names it: the classes of `protocols`, and the two of `dsp` that these use."""

INDEX = """\
# The eleven hooks

A plugin offers components by hooks, one hook for each kind of component. A hook returns records; what a record names is
imported when it is built. [Writing a plugin](../plugins.md) shows the way from an empty folder to a published package.

| hook | offers | built in |
|---|---|---|
{rows}

## The record

{record}
"""

PAGE = """\
# `{kind.hook}`

It offers {offers}. It takes no arguments and returns [records](index.md#the-record).

Built in: {built_in} ([what they do, and their options](../components.md#{kind.plural})).

## The protocol

No base class is needed: any object with these methods and attributes works.

```python
{protocol}
```

## An example

`upscaler plugins new example --kind {kind}` writes it, with tests, packaging and a CI file. `plugin.py` declares the
component, and imports nothing heavy:

```python
{plugin}
```

`{kind}.py` does the work:

```python
{component}
```
{use}
## The contract

[What it asks](../contracts.md#{kind}). `upscaler plugins check NAME` checks it, and
[`contract_tests`](../plugins.md#tests) makes a test of each rule.
"""

USE = """
and this file uses it:

```yaml
{file}
```
"""


def pages() -> dict[Path, str]:
    """Every page by its path."""
    return {FOLDER / "index.md": index(), **{FOLDER / f"{kind.plural}.md": page(kind) for kind in Kind}}


def index() -> str:
    """The hooks in a table, and what a record holds."""
    rows = [f"| [`{kind.hook}`]({kind.plural}.md) | {offers(kind)} | {built_in(kind)} |" for kind in Kind]
    return INDEX.format(rows="\n".join(rows), record=record())


def record() -> str:
    """What `Component` is, and its fields as a list, from its docstring."""
    purpose, _, rest = inspect.cleandoc(Component.__doc__ or "").partition("\n\nArgs:\n")
    fields = rest.partition("\n\nRaises:")[0]
    return purpose + "\n\n" + re.sub(r"(?m)^ {4}(\w+): ", r"* `\1`: ", fields).replace("\n        ", "\n  ")


def page(kind: Kind) -> str:
    """One hook's page."""
    names = re.findall(r"`protocols\.(\w+)`", doc(kind))
    example = TEMPLATES / kind / "src" / "upscaler_example"
    files = sorted((TEMPLATES / kind).glob("*.yaml"))
    return PAGE.format(
        kind=kind,
        offers=offers(kind),
        built_in=built_in(kind),
        protocol="\n\n\n".join(source(name) for name in with_parts([*names, *OPTIONAL.get(kind, [])])),
        plugin=(example / "plugin.py").read_text().rstrip(),
        component=(example / f"{kind}.py").read_text().rstrip(),
        use=USE.format(file=files[0].read_text().rstrip()) if files else "",
    )


def doc(kind: Kind) -> str:
    """The hook's docstring: what it offers, by which protocol, and an example."""
    return inspect.cleandoc(getattr(hookspecs, kind.hook).__doc__)


def offers(kind: Kind) -> str:
    """`Offer training losses (`protocols.Loss`).` -> `training losses`."""
    first = doc(kind).partition("\n\n")[0]
    return re.sub(r" \(`protocols\.\w+`\)", "", first).removeprefix("Offer ").rstrip(".")


def built_in(kind: Kind) -> str:
    """The names of the built-ins of a kind."""
    return ", ".join(f"`{entry.component.name}`" for entry in REGISTRY.of(kind) if entry.plugin.built_in)


def with_parts(names: list[str]) -> list[str]:
    """The classes of these names, and those that their code names in turn."""
    classes: list[str] = []
    while names:
        name = names.pop(0)
        if name not in classes:
            classes.append(name)
            names += [word for word in re.findall(r"\w+", source(name)) if word in CLASSES]
    return classes


def source(name: str) -> str:
    """A class as it stands in the code; of a dataclass with an `__init__` of its own, the fields only."""
    return inspect.getsource(CLASSES[name]).partition("\n    def __init__")[0].rstrip()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text)
