"""Several processes that train one set of weights, as torchrun or `accelerate launch` starts them; or one alone."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from upscaler_core import UpscalerError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = timedelta(hours=1)
"""So long processes wait for one another: the first one decodes new recordings, and scores."""

UNABLE = ("DEEPSPEED", "MEGATRON_LM")

T = TypeVar("T")


def accelerator(device: str, mixed_precision: str) -> Accelerator:
    """This process's device, and its place among the others.

    Raises:
        UsageError: accelerate's configuration asks for an engine that this trainer does not know.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs

    handlers = [InitProcessGroupKwargs(timeout=PATIENCE)]
    made = Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision, kwargs_handlers=handlers)
    if made.distributed_type in UNABLE:
        raise UsageError(f"{made.distributed_type.value} is not supported: use MULTI_GPU, or FSDP with fsdp_version: 2")
    if made.distributed_type == "FSDP":
        if not made.is_fsdp2:
            raise UsageError("FSDP is supported in its second version: write fsdp_version: 2 under fsdp_config")
        made.state.fsdp_plugin.mixed_precision_policy = None  # it rounds inputs, too; autocast does not
        warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)  # nothing here writes into an output
    return made


def shared(accelerator: Accelerator, module: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
    """A module that learns together with its copies or parts in the other processes, and its optimizer.

    Raises:
        UsageError: accelerate's configuration does not fit it.
    """
    try:
        both: tuple[Any, Any] = accelerator.prepare(module, optimizer)
    except ValueError as error:
        raise UsageError(f"accelerate's configuration does not fit the models: {error}") from None
    return both


def in_any(accelerator: Accelerator, *facts: bool) -> list[bool]:
    """Whether each of some facts is so in any process; all of them must ask."""
    counts = accelerator.reduce(torch.tensor(facts, dtype=torch.float32, device=accelerator.device))
    return [count > 0 for count in counts.tolist()]


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


def leave(code: int) -> None:
    """End this process at once with an exit code, if it has exchanged anything with others.

    A thread of gloo gives tensors back to Python a moment after an exchange. Where the interpreter is ending by then, it
    aborts the process, and the launcher calls a run that is done a failure.
    """
    if torch.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _is_loss(error: BaseException) -> bool:
    """Whether an exchange failed, be it before this error."""
    if isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
        return True
    return error.__context__ is not None and _is_loss(error.__context__)
