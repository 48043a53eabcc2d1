"""The recipe: everything that a training run depends on, in one file. Its form, and the copy of it in a run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from upscaler_core import Kind, Options, UsageError, option
from upscaler_core.pipeline import ComponentRef, Fault, Spec

RECIPE = "recipe.yaml"
"""The copy of the recipe in a run's folder."""
CHANGEABLE_KEYS = frozenset(
    {"accumulate", "data", "epochs", "workers", "save_minutes", "patience", "scoring", "search"}
)
"""Keys that may differ when a run goes on. `data` is one of them because there may be more recordings by then."""


class LossRef(ComponentRef):
    """A loss and its weight."""

    weight: float = Field(1.0, gt=0, le=1e6, description="factor in the sum of all losses")


class RandomRef(ComponentRef):
    """A degradation and the probability that it is applied."""

    probability: float = Field(1.0, ge=0, le=1, description="share of the excerpts that it is applied to")


class DataSpec(Options):
    """Which recordings are used, and where they are kept decoded. Relative paths begin at the recipe's folder."""

    train: list[str] = option(help="files, folders and globs to train on", min_length=1)
    validation: list[str] = option([], help="files, folders and globs to score on, none of them trained on")
    shares: dict[str, float] = option(
        {}, help="share of the excerpts from each kind of the manifests, such as speech: 0.4; the rest goes by length"
    )
    full_band: float = option(
        1.0, ge=1, le=100, help="how many times as often recordings are drawn whose content reaches the top of the band"
    )
    cache: str | None = option(None, help="folder for decoded audio; null = one in the user's cache folder")
    cache_gib: float = option(20, unit="GiB", gt=0, le=10_000, help="decoded audio kept at most")


class OptimizerSpec(Options):
    """Adam. The defaults are the white paper's numbers (§3.4)."""

    learning_rate: float = option(1e-4, gt=0, le=1, help="step size of Adam")
    betas: tuple[float, float] = option((0.5, 0.9), help="decay of Adam's two moments")
    weight_decay: float = option(0.0, ge=0, le=1, help="shrinks the weights, decoupled from the gradient (AdamW)")
    clip: float = option(1.0, gt=0, le=1e6, help="largest norm of the gradient")
    schedule: Literal["constant", "cosine"] = option("constant", help="course of the learning rate after the warm-up")
    warmup: int = option(
        0, unit="steps", ge=0, le=1_000_000, help="steps over which the learning rate rises to its value"
    )


class ScoringSpec(Options):
    """How the validation recordings are scored."""

    every: int = option(1, unit="epochs", ge=1, le=10_000, help="epochs from one scoring to the next")
    cutoffs: list[int] = option([4_000, 8_000, 12_000], unit="Hz", min_length=1, help="where the scored inputs end")
    clips: int = option(1, ge=1, le=1_000, help="clips of each recording, evenly spread")
    seconds: float = option(3.0, unit="s", gt=0, le=60, help="length of a clip")


class RecipeSpec(Spec):
    """A training recipe's form."""

    data: DataSpec = option(help="which recordings")
    seconds: float = option(1.0, unit="s", ge=0.05, le=60, help="length of an excerpt")
    excerpts: int = option(1_000, ge=1, le=10_000_000, help="excerpts in an epoch")
    speed: float = option(
        0.0, ge=0, le=0.5, help="by how much at most excerpts are played faster or slower: 0.1 = from 90 to 110 %"
    )
    mix: float = option(0.0, ge=0, le=1, help="share of the excerpts that are the sum of two recordings")
    channels: Literal["mono", "independent", "mid-side"] = option(
        "mono",
        help="one channel (or the mean of two) at a time, or two, which meet the models as in a pipeline's stereo",
    )
    resampler: Annotated[ComponentRef, Kind.RESAMPLER] = option(
        ComponentRef(use="poly-sinc-hq"),
        help="brings recordings to the models' rate, and makes the inputs of the scoring",
    )
    augmentations: Annotated[list[RandomRef], Kind.DEGRADATION] = option(
        [], help="applied in order to the excerpt itself, so to the input and the target alike"
    )
    band_limit: Annotated[ComponentRef, Kind.DEGRADATION] = option(
        ComponentRef(use="band-limit"), help="takes away what the models learn to bring back"
    )
    robust_training: bool = option(True, help="apply the degradations; without them inputs are band-limited only")
    degradations: Annotated[list[RandomRef], Kind.DEGRADATION] = option(
        [], help="applied in order to the band-limited input, which is then limited to its band again"
    )
    models: Annotated[dict[str, ComponentRef], Kind.MODEL] = option(
        help="models to train, by names of your choice", min_length=1
    )
    fusion: Annotated[ComponentRef | None, Kind.FUSION] = option(
        None, help="joins the models' estimates; one alone needs none"
    )
    keep_source_band: bool = option(True, help="add nothing below the cut-off, as pipelines do")
    losses: Annotated[list[LossRef], Kind.LOSS] = option([], help="minimized beside the models' own objectives")
    optimizer: OptimizerSpec = option(OptimizerSpec(), help="Adam's numbers")
    batch: int = option(8, unit="excerpts", ge=1, le=4_096, help="excerpts in a step, of all processes together")
    accumulate: int = option(
        1, ge=1, le=4_096, help="parts that each process does its share of a step in, to save memory"
    )
    epochs: int = option(50, ge=1, le=1_000_000, help="epochs to train")
    ema: float = option(0.999, ge=0, lt=1, help="decay of the weights' moving average, which is what is kept")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", help="of the forward pass; auto = float16 on CUDA, bfloat16 where the processor is fast at it"
    )
    seed: int = option(0, ge=0, le=2**63 - 1, help="for everything drawn by chance")
    workers: int | None = option(
        None, ge=0, le=64, help="processes that prepare excerpts; null = up to 4, 0 on Windows"
    )
    scoring: ScoringSpec = option(ScoringSpec(), help="how the validation recordings are scored")
    metric: Annotated[ComponentRef, Kind.METRIC] = option(
        ComponentRef(use="lsd"), help="what decides which weights are best"
    )
    reference: Annotated[ComponentRef, Kind.MODEL] = option(
        ComponentRef(use="tilted-noise"), help="a model that has learned nothing, scored beside the trained ones"
    )
    patience: int | None = option(None, unit="scorings", ge=1, help="stop after so many without a better score")
    save_minutes: float = option(5.0, unit="min", ge=0, le=1_440, help="save at least so often, and after each epoch")
    search: dict[str, Any] = option({}, help="what `upscaler tune` searches; a training takes no notice of it")

    def faults(self) -> Iterator[Fault]:
        """Faults that depend on several keys."""
        if any(share < 0 for share in self.data.shares.values()) or sum(self.data.shares.values()) > 1 + 1e-9:
            yield Fault(("data", "shares"), "shares are from 0 to 1, and no more than 1 together")
        if len(self.models) > 1 and self.fusion is None:
            yield Fault(("models",), f"{len(self.models)} models need a fusion: add the key 'fusion'")
        if self.patience and not self.data.validation:
            yield Fault(("patience",), "needs recordings to score on: add data.validation")


def recipe_yaml(recipe: RecipeSpec) -> str:
    """A recipe as YAML, with the defaults of all keys that its file does not have."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def check_folder(folder: Path, recipe: RecipeSpec, resume: bool) -> None:
    """Check that a folder is free for a new run, or holds the run that is to be resumed.

    Raises:
        UsageError: the folder holds a run and `resume` is False, or that run began with another recipe.
    """
    path = folder / RECIPE
    if not path.exists():
        return
    if not resume:
        raise UsageError(f"{folder} holds a run: add --resume to go on with it, or name another folder by --out")
    former, current = _read_recipe(path), recipe.model_dump(mode="json")
    former = RecipeSpec.model_construct().model_dump(mode="json") | former  # it may be older than some of the keys
    changed = [key for key in current if key not in CHANGEABLE_KEYS and current[key] != former.get(key)]
    if changed:
        raise UsageError(
            f"the recipe is not the one that {folder} began with: {', '.join(changed)} changed; "
            "set it back, or begin another run by --out"
        )


def _read_recipe(path: Path) -> dict[str, Any]:
    """The recipe that a run began with.

    Raises:
        UsageError: the file is damaged.
    """
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict) or not all(isinstance(key, str) for key in recipe):
        raise UsageError(f"{path} is damaged, so it is unknown what {path.parent} holds: name another folder by --out")
    return recipe
