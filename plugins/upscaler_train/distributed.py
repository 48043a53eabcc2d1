"""Several processes that train one set of weights, as torchrun or `accelerate launch` starts them; or one alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from upscaler_core import UpscalerError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = timedelta(hours=1)
"""So long processes wait for one another: the first one decodes new recordings, and scores."""

SPLITTING = ("FSDP", "DEEPSPEED", "MEGATRON_LM")

T = TypeVar("T")


def accelerator(device: str, mixed_precision: str) -> Accelerator:
    """This process's device, and its place among the others.

    Raises:
        UsageError: accelerate's configuration splits the weights over the processes.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs

    handlers = [InitProcessGroupKwargs(timeout=PATIENCE)]
    made = Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision, kwargs_handlers=handlers)
    if made.distributed_type in SPLITTING:
        raise UsageError(
            f"{made.distributed_type.value} splits the weights, which their moving average and --resume need whole: "
            "use MULTI_GPU in accelerate's configuration, and the recipe's accumulate to save memory"
        )
    return made


def in_any(accelerator: Accelerator, fact: bool) -> bool:
    """Whether something is so in any process; all of them must ask."""
    return bool(accelerator.reduce(torch.tensor(float(fact), device=accelerator.device)))


def from_main(value: T) -> T:
    """The main process's value, in every one; all of them must ask."""
    from accelerate.utils import broadcast_object_list

    (value,) = broadcast_object_list([value])
    return value


@contextmanager
def leaving_alike(folder: Path) -> Iterator[None]:
    """Leave with a sentence where another process is lost, which shows in the next exchange with it.

    Raises:
        UpscalerError: it is.
    """
    try:
        yield
    except (RuntimeError, KeyboardInterrupt) as error:  # the launcher interrupts those that are left
        if not _is_loss(error):
            raise
        raise UpscalerError(
            f"another process of this run ended, or cannot be reached: go on with --resume, into {folder}"
        ) from None
    finally:
        if torch.distributed.is_initialized():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it may do so yet, and this one is leaving


def _is_loss(error: BaseException) -> bool:
    """Whether an exchange failed, be it before this error."""
    if isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
        return True
    return error.__context__ is not None and _is_loss(error.__context__)
