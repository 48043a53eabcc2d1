"""A YAML file as data, with the place of each key and value, so that every fault has its `file:line:col`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from upscaler_core.errors import Fault, Problem, SpecError

MAX_BYTES = 1 << 16
"""Largest file. A mebibyte of YAML can keep the parser busy for half a minute."""
MAX_NUMBER = 100
"""Most characters of a number or date. `1:1:1:…` is an integer to base 60, and a long one takes for ever."""
MAX_NODES = 10_000
"""Most nodes of a file whose aliases are written out."""

KeyPath = tuple[int | str, ...]

_TEXT = "tag:yaml.org,2002:str"


@dataclass
class Document:
    """A parsed file: its data, and the place of each key and value."""

    name: str
    data: Any
    keys: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)

    def where(self, fault: Fault) -> str:
        """`file:line:col` of a fault, or of the nearest thing around it that stands in the file."""
        path = fault.path
        if fault.at_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.name)


def read(path: Path) -> Document:
    """Parse a YAML file with the safe loader. Tags that build objects, duplicate keys and alias bombs are refused.

    Raises:
        SpecError: the file cannot be read, or is not such YAML.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SpecError([Problem(name, f"a pipeline file is at most {MAX_BYTES >> 10} KiB of YAML")])
        text = data.decode("utf-8")
    except OSError as error:
        raise SpecError([Problem(name, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise SpecError([Problem(name, f"is not UTF-8 text (byte {error.start}): is it a pipeline file?")]) from None
    return parse(text, name)


def parse(text: str, name: str = "pipeline") -> Document:
    """Parse YAML text; `name` is the file's name in error messages. It raises what `read` raises."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise SpecError(
                [Problem(f"{name}:1:1", "a pipeline file is a mapping of keys, beginning with 'version: 1'")]
            )
        if _expanded(root, {}) > MAX_NODES:
            raise SpecError([Problem(name, f"its aliases write out to more than {MAX_NODES:,} nodes")])
        document = Document(name, None)
        problems = list(_mark(document, root, ()))
        if problems:
            raise SpecError(problems)
        document.data = loader.construct_document(root)
        return document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SpecError([Problem(place, f"not valid YAML: {error.problem or error.context}")]) from None
    except (LookupError, AttributeError):  # PyYAML raises these for `!!int ""` and the like
        raise SpecError([Problem(name, "not valid YAML: a tag does not fit its value; leave '!!…' out")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise SpecError([Problem(name, f"not valid YAML: {reason}")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of nodes once every alias is written out. A node that contains itself counts as too many."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1
        children = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else (node.value if isinstance(node, yaml.SequenceNode) else [])
        )
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    return known[id(node)]


def _mark(document: Document, node: yaml.Node, path: KeyPath) -> Iterator[Problem]:
    """Note the place of everything; yield duplicate keys, keys that are not text, and numbers that are too long."""
    document.values[path] = _place(document, node)
    if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT and len(node.value) > MAX_NUMBER:
        dotted = ".".join(map(str, path))
        yield Problem(_place(document, node), f"{dotted}: a value of {len(node.value):,} characters; if text, quote it")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _mark(document, item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "this"
                yield Problem(_place(document, key), f"{shown}: a key must be plain text; put it in quotes")
                continue
            inner = (*path, key.value)
            if inner in document.keys:
                first = document.keys[inner].removeprefix(f"{document.name}:")
                yield Problem(
                    _place(document, key),
                    f"{'.'.join(map(str, inner))}: the key stands here twice, first at {first}; remove one",
                )
            document.keys[inner] = _place(document, key)
            yield from _mark(document, value, inner)


def _place(document: Document, node: yaml.Node) -> str:
    return f"{document.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


@dataclass(frozen=True)
class Setting:
    """A value that the user sets in place of the file's: `--set key=value`, or an option that stands for that."""

    key: str
    """A dotted path; empty where what was typed is not `key=value`."""
    value: str
    """YAML."""
    typed: str
    """What the user typed, which is where a fault of it is."""

    @classmethod
    def parse(cls, text: str | Setting) -> Setting:
        """Read `key=value`."""
        if isinstance(text, Setting):
            return text
        key, equals, value = text.partition("=")
        return cls(key if equals else "", value, f"--set {text}")

    @property
    def path(self) -> KeyPath:
        """The key as a path."""
        return tuple(int(step) if step.isdigit() else step for step in self.key.split("."))

    @property
    def order(self) -> int:
        """Settings are applied in this order: what replaces a whole, what chooses a component, all others."""
        return 0 if len(self.path) == 1 else 1 if self.path[-1] == "use" else 2


def apply_setting(document: Document, setting: Setting) -> list[Problem]:
    """Apply a setting to a document."""
    place, path, dotted = setting.typed, setting.path, setting.key
    if "" in path:
        return [Problem(place, "write it as key=value, such as chunk.samples=48000")]
    text = setting.value
    try:
        value = parse(f"value: {text}", place).data["value"]
    except SpecError:
        return [Problem(place, f"'{text}' is not a YAML value; put it in quotes")]
    try:
        inner: Any = document.data
        for step in path[:-1]:
            if isinstance(inner, dict) and inner.get(str(step)) is None:
                inner[str(step)] = {}
            key: Any = step if isinstance(inner, list) else str(step)
            inner = inner[key]
        last: Any = path[-1] if isinstance(inner, list) else str(path[-1])
        if isinstance(inner, list):
            inner[last]  # a setting does not lengthen a list
        inner[last] = value
    except (TypeError, IndexError):
        return [Problem(place, f"there is no {dotted} to set")]
    document.keys = {k: v for k, v in document.keys.items() if k[: len(path)] != path}
    document.values = {k: v for k, v in document.values.items() if k[: len(path)] != path}
    document.keys[path] = document.values[path] = place
    return []
