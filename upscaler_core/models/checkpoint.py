"""Checkpoints: each is one safetensors file with its card in the header. Nothing is unpickled.

A component with weights takes `CheckpointOptions`, a model `ModelOptions` (or a class derived from one), and begins with

    options, checkpoint = load_checkpoint(options, "waveform-unet", __package__)
    ...                                     # build the layers that the options describe
    if checkpoint:
        checkpoint.into(self)

`checkpoint: bundled` is the file NAME.safetensors in the folder `weights` of the component's package. A bare name is
searched for there and in the user's folder. Anything with a suffix is a path. Options that the user did not set are taken
from the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from upscaler_core.atomic import atomic_write
from upscaler_core.errors import InputError
from upscaler_core.plugins.components import Component, Options, option

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SUFFIX = ".safetensors"
MAX_HEADER_BYTES = 16 << 20
"""A longer header is taken for damage. Headers hold names, shapes and the card: some kilobytes."""


class CheckpointOptions(Options):
    """Base class for the options of a component that has weights."""

    at_run_time: ClassVar[frozenset[str]] = frozenset({"checkpoint"})
    """Options that say how a component runs. All others shape it, and a checkpoint fixes them."""

    checkpoint: str = option(
        "bundled",
        help="weights: bundled, a name from `upscaler models`, a .safetensors file, or none for untrained ones",
    )

    def shape(self) -> dict[str, Any]:
        """The options that shape the component, for a card."""
        return self.model_dump(mode="json", exclude=set(self.at_run_time))


class ModelOptions(CheckpointOptions):
    """Base class for the options of a model that has weights."""

    at_run_time: ClassVar[frozenset[str]] = CheckpointOptions.at_run_time | {"precision"}
    foreign_parts: ClassVar[Mapping[str, str]] = {}
    """Parts of other programs' checkpoints that hold weights of this model: the part's name, and the ending that
    `upscaler models import` gives the new checkpoint's name."""

    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto", help="what the network computes in; auto is bfloat16 where the processor is fast at it"
    )


class Card(BaseModel):
    """Describes a checkpoint: its model, how and on what it was trained, how good it is, and what it does badly."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    component: str
    """The model component's name."""
    options: dict[str, Any] = {}
    """Options that shape the model."""
    rate: int
    """Sample rate, Hz."""
    summary: str = ""
    """One line for listings."""
    training: dict[str, Any] = {}
    """Recipe, steps, hours: whatever the trainer records."""
    data: list[str] = []
    """Sources of the training audio."""
    licences: list[str] = []
    """Licences of the training audio and of the weights."""
    scores: dict[str, Any] = {}
    """Results of evaluation."""
    limits: str = ""
    """What it does badly."""
    sha256: str = ""
    """Hash of the tensors' bytes; set when the file is written."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint."""

    path: Path
    card: Card
    tensors: Mapping[str, Tensor]

    def refuse_nan(self) -> None:
        """Check that every weight is a finite number.

        Raises:
            InputError: a weight is NaN or infinite.
        """
        broken = [name for name, t in self.tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())]
        if broken:
            raise InputError(f"{self.path} holds NaN or infinity in {_list(broken)}")

    def into(self, module: nn.Module) -> None:
        """Copy the weights into a module.

        Raises:
            InputError: the module has other tensors than the checkpoint.
        """
        state = module.state_dict()
        for names, difference in (
            (sorted(state.keys() - self.tensors.keys()), "lacks"),
            (sorted(self.tensors.keys() - state.keys()), "has, and the model has not,"),
        ):
            if names:
                raise InputError(f"{self.path} does not fit {self.card.component}: it {difference} {_list(names)}")
        for name, tensor in sorted(self.tensors.items()):
            if tensor.shape != state[name].shape:
                shapes = f"{list(tensor.shape)}, not {list(state[name].shape)}"
                raise InputError(f"{self.path} does not fit {self.card.component}: {name} is {shapes}")
        module.load_state_dict({name: tensor.to(state[name].dtype) for name, tensor in self.tensors.items()})


O = TypeVar("O", bound=CheckpointOptions)  # noqa: E741 - options


def load_checkpoint(options: O, component: str, package: str) -> tuple[O, Checkpoint | None]:
    """Open the checkpoint that a model's options name.

    Args:
        options: the model's options; `checkpoint: none` gives None.
        component: the model component's name.
        package: the top-level package that holds its `weights` folder.

    Returns:
        The options, with those that are not set taken from the checkpoint; and the checkpoint.

    Raises:
        InputError: the checkpoint is missing or damaged, is of another model, or was trained with other options than those
            that are set.
    """
    if options.checkpoint == "none":
        return options, None
    path = find(options.checkpoint, component, package)
    checkpoint = read_checkpoint(path)
    card = checkpoint.card
    if card.component != component:
        raise InputError(f"{path} holds weights of {card.component}, not of {component}")
    set_options = options.model_dump(mode="json", include=options.model_fields_set - options.at_run_time)
    for name, value in set_options.items():
        if name in card.options and card.options[name] != value:
            raise InputError(f"{path} was trained with {name}={card.options[name]!r}, not {value!r}: leave {name} out")
    try:
        return options.model_validate({**options.model_dump(exclude_unset=True), **card.options}), checkpoint
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path} was trained with options this version does not know: {first['loc'][0]}") from None


def find(checkpoint: str, component: str, package: str) -> Path:
    """The file that a `checkpoint` option names.

    Raises:
        InputError: there is no such file.
    """
    if checkpoint.endswith(SUFFIX) or os.sep in checkpoint:
        if Path(checkpoint).is_file():
            return Path(checkpoint)
        raise InputError(f"there is no checkpoint {checkpoint}; see `upscaler models`")
    name = component if checkpoint == "bundled" else checkpoint
    for folder in (bundled_folder(package), local_folder()):
        if folder and (path := folder / f"{name}{SUFFIX}").is_file():
            return path
    if checkpoint == "bundled":
        raise InputError(f"no weights ship with {component}: give a checkpoint, or train one with `upscaler train`")
    raise InputError(f"there is no checkpoint '{checkpoint}'; see `upscaler models`")


def bundled_folder(package: str) -> Path | None:
    """The folder `weights` of a package, found without importing it."""
    spec = find_spec(package.partition(".")[0])
    locations = list(spec.submodule_search_locations or []) if spec else []
    return Path(locations[0]) / "weights" if locations else None


def local_folder() -> Path:
    """The folder in which `upscaler models import` stores checkpoints: `$UPSCALER_MODELS`, or one in the user's data."""
    if folder := os.environ.get("UPSCALER_MODELS"):
        return Path(folder)
    data = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "ai-audio-upscaler" / "models"


def available(components: list[Component]) -> Iterator[tuple[str, Path]]:
    """Every checkpoint of this installation: its origin (`bundled` or `local`) and its file."""
    packages = sorted({component.factory.partition(".")[0].partition(":")[0] for component in components})
    for origin, folder in [*(("bundled", bundled_folder(p)) for p in packages), ("local", local_folder())]:
        if folder and folder.is_dir():
            yield from ((origin, path) for path in sorted(folder.glob(f"*{SUFFIX}")))


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], card: Card, dtype: torch.dtype | None = None) -> Card:
    """Write tensors and their card, completely or not at all.

    Args:
        path: ends in `.safetensors`.
        tensors: a module's `state_dict()`.
        card: describes them; its hash is filled in.
        dtype: the type in which floating-point tensors are stored, such as `torch.float16`.

    Returns:
        The card as written.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    stored = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    if dtype:
        stored = {name: t.to(dtype) if t.is_floating_point() else t for name, t in stored.items()}
    card = card.model_copy(update={"sha256": _digest(save(stored))})
    data = save(stored, {"card": card.model_dump_json()})
    with atomic_write(path) as part:
        part.write_bytes(data)
    return card


def read_checkpoint(path: Path) -> Checkpoint:
    """Read and verify a checkpoint.

    Raises:
        InputError: the file is no checkpoint, is truncated or changed, or holds NaN.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    card = read_card(path)
    data = path.read_bytes()
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}") from None
    if _digest(data) != card.sha256:
        raise InputError(f"{path} was changed since it was written: its hash does not match its card")
    checkpoint = Checkpoint(path, card, tensors)
    checkpoint.refuse_nan()
    return checkpoint


def read_card(path: Path) -> Card:
    """Read the card alone, without importing torch.

    Raises:
        InputError: the file is no checkpoint of this format.
    """
    try:
        with path.open("rb") as file:
            size = _header_size(file.read(8))
            header = json.loads(file.read(size)) if size else None
            length = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise InputError(f"{path} is not a safetensors file, or is truncated; `upscaler models import` converts others")
    try:
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        expected = 8 + size + max(ends, default=0)
    except (KeyError, IndexError, TypeError, ValueError):
        expected = -1
    if length != expected:  # so that no more is read than the header accounts for
        raise InputError(f"{path} is damaged: its header does not account for its {length:,} bytes")
    try:
        return Card.model_validate_json(header["__metadata__"]["card"])
    except (KeyError, TypeError, ValidationError):
        raise InputError(f"{path} has no card; `upscaler models import` writes one") from None


def _header_size(first: bytes) -> int:
    """The size of the header, bytes, from the first 8 bytes of the file; 0 if it cannot be right."""
    size = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
    return int(size) if size <= MAX_HEADER_BYTES else 0


def _digest(data: bytes) -> str:
    """SHA-256 of the tensors' bytes, which are after the header."""
    return hashlib.sha256(memoryview(data)[8 + _header_size(data[:8]) :]).hexdigest()


def _list(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
