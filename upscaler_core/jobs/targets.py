"""Where the outputs of many files go: beside their sources, into a folder, by a template, or into one file.

What exists is taken literally, as for inputs; only the rest of a path may be a template. Two files never share an output:
`grandma.mp3` and `grandma.wav` become `grandma.mp3.flac` and `grandma.wav.flac`, and all others keep the short names.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from upscaler_core.errors import UsageError
from upscaler_core.files.inputs import is_folder, split_path
from upscaler_core.files.output import find_exporter
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

FIELDS = frozenset({"stem", "name", "rate"})
"""What a template may name."""
_FORMAT = re.compile(r"\.\w*[^\W\d_]\w*")
"""A suffix that looks like a format's: letters, perhaps with digits. `Vol. 2` and `v1.0` have none."""

Target = tuple[Path, str | None]
"""An output and its suffix. Where that depends on the source, it is None, and the path has none."""


@dataclass(frozen=True)
class Destination:
    """Where outputs go, as the user said it. If nothing is said, they go beside their sources."""

    folder: Path | None = None
    """The folder that all of them are in, with the tree of a folder that was named as input."""
    file: Path | None = None
    """The one output."""
    base: Path = Path()
    """The existing folder where the template begins."""
    template: str = ""
    """A path with fields."""

    def count_fields(self, *names: str) -> int:
        """How often the template names one of these fields."""
        return sum(name in names for name in _fields(self.template))


def parse_destination(text: str | None, folder: Path, registry: Registry) -> Destination:
    """Read what the user, or a pipeline file, says about outputs.

    Args:
        text: None = beside each source; otherwise a file, a folder or a template.
        folder: where a relative path begins; it is taken literally.
        registry: its exporters say which suffixes are written.

    Raises:
        UsageError: it is `-`, has a suffix that nobody writes, or is a template with other fields.
    """
    if text is None:
        return Destination()
    if text == "-":
        raise UsageError("'-', standard output, is not written yet: name a file, a folder or a template")
    if not text:
        raise UsageError("the output has no name: name a file, a folder or a template")
    place, rest = split_path(text, folder)
    path, ends_in_slash = place / rest, text.endswith(("/", os.sep))
    if is_folder(path) or (ends_in_slash and not rest):
        if not is_folder(path):
            raise UsageError(f"{path} is a file: leave the slash out, or name a folder")
        return Destination(folder=path)
    if "{" in rest:
        template = rest + (f"{os.sep}{{stem}}" if ends_in_slash else "")
        if not set(_fields(template)) <= FIELDS:
            raise UsageError(
                f"{text}: an output template knows {{stem}}, {{name}} and {{rate}}; "
                "write {{ and }} for braces that belong to the name"
            )
        return Destination(folder=(place / (template.partition("{")[0] + "x")).parent, base=place, template=template)
    if ends_in_slash or not _FORMAT.fullmatch(path.suffix):
        return Destination(folder=path)
    try:
        find_exporter(path, registry)
    except UsageError as error:
        raise UsageError(f"{error} (if it is a folder, end its name in a slash: '{text}/')") from None
    return Destination(file=path)


def _fields(template: str) -> list[str]:
    """The fields of a template; what is no plain field is one of a wrong name."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        return ["?"]
    return [name if not spec and not conversion else "?" for _, name, spec, conversion in parsed if name is not None]


def plan_targets(
    files: Sequence[tuple[Path, Path]],
    destination: Destination,
    *,
    suffix: str | None,
    mark: str,
    rate: int,
    registry: Registry,
) -> list[Target]:
    """The output of each file.

    Args:
        files: paths, each with its folder below the input that named it.
        destination: where outputs go.
        suffix: of outputs whose suffix the user does not say; None = it depends on the source.
        mark: what is added to the stem.
        rate: what `{rate}` stands for, Hz.
        registry: its exporters say which suffixes are written.

    Raises:
        UsageError: two files would share an output, whatever they are called.
    """
    if destination.file:
        if len(files) > 1:
            raise UsageError(
                f"{destination.file} is one file for {len(files)} inputs: name a folder, or a template with {{stem}}"
            )
        return [(destination.file, destination.file.suffix)]
    writable = {suffix for entry in registry.of(Kind.EXPORTER) for suffix in entry.component.suffixes}

    def target(file: Path, relative: Path, names: tuple[str, str]) -> Target:
        stem, name = names
        if destination.template:
            path = destination.base / destination.template.format(stem=stem, name=name, rate=rate)
            path = path.parent / relative / path.name
            own = path.suffix if _has_suffix(destination.template) else ""
            if own.lower() in writable:
                return path, own
        else:
            folder = file.parent if destination.folder is None else destination.folder / relative
            path = folder / (stem + mark)
        return path.with_name(path.name + (suffix or "")), suffix

    targets = _without_collisions(files, target)
    shared, count = Counter(_comparable(target) for target, _ in targets).most_common(1)[0]
    if count > 1:
        sources = [
            str(file) for (file, _), (target, _) in zip(files, targets, strict=True) if shared == _comparable(target)
        ]
        raise UsageError(
            f"{sources[0]} and {sources[1]} would share the output {targets[0][0]}: put {{stem}} into the template"
        )
    return targets


def _has_suffix(template: str) -> bool:
    """Whether a template says the suffix: by itself, or as that of `{name}`. A stem may hold dots, too."""
    return "." in template.rpartition("}")[2] or template.endswith("{name}")


def _without_collisions(
    files: Sequence[tuple[Path, Path]], target: Callable[[Path, Path, tuple[str, str]], Target]
) -> list[Target]:
    """The targets, where those that would be shared have longer names, and only those."""
    names = [_short(file, 0) for file, _ in files]
    for name_of in (*_LONGER_NAMES, _short):
        groups: defaultdict[str, list[int]] = defaultdict(list)
        targets = [target(*file, name) for file, name in zip(files, names, strict=True)]
        for index, (path, _) in enumerate(targets):
            groups[_comparable(path)].append(index)
        shared = [group for group in groups.values() if len(group) > 1]
        if not shared:
            break
        for group in shared:
            for place, index in enumerate(group):
                names[index] = name_of(files[index][0], place)
    return targets


def _short(file: Path, place: int) -> tuple[str, str]:
    return file.stem, file.name


def _with_suffix(file: Path, place: int) -> tuple[str, str]:
    return file.name, file.name


def _with_folder(file: Path, place: int) -> tuple[str, str]:
    folder = os.path.basename(os.path.dirname(os.path.abspath(file)))  # noqa: PTH100, PTH119, PTH120 - `..` leaves
    return f"{folder} - {file.stem}", f"{folder} - {file.name}"


def _with_both(file: Path, place: int) -> tuple[str, str]:
    return (_with_folder(file, place)[1],) * 2


def _with_number(file: Path, place: int) -> tuple[str, str]:
    return f"{file.stem} ({place + 1})", f"{file.stem} ({place + 1}){file.suffix}"


_LONGER_NAMES = (_with_suffix, _with_folder, _with_both, _with_number)
"""Stems and names for templates, each for files that still share an output with the one before."""


def _comparable(path: Path) -> str:
    """Equal for names that some file system takes for one: in other letter case, or in another Unicode form."""
    return unicodedata.normalize("NFC", os.path.abspath(path)).casefold()  # noqa: PTH100
