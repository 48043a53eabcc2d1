"""Several processes that train one set of weights, as torchrun or `accelerate launch` starts them; or one process alone.

FSDP2 keeps tensors in parts, one part in each process (`DTensor`). The functions on tensors here join and split them;
other tensors pass through unchanged.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from upscaler_core import UpscalerError, UsageError

if TYPE_CHECKING:
    from accelerate import Accelerator

TIMEOUT = timedelta(hours=1)
"""Processes wait this long for one another. The first one decodes new recordings, and scores."""
UNSUPPORTED_ENGINES = ("DEEPSPEED", "MEGATRON_LM")

T = TypeVar("T")


def create_accelerator(device: str, mixed_precision: str) -> Accelerator:
    """This process's device, and its place among the other processes.

    Raises:
        UsageError: accelerate's configuration asks for an engine that this trainer does not support.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs

    handlers = [InitProcessGroupKwargs(timeout=TIMEOUT)]
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision, kwargs_handlers=handlers)
    if accelerator.distributed_type in UNSUPPORTED_ENGINES:
        name = accelerator.distributed_type.value
        raise UsageError(f"{name} is not supported: use MULTI_GPU, or FSDP with fsdp_version: 2")
    if accelerator.distributed_type == "FSDP":
        if not accelerator.is_fsdp2:
            raise UsageError("FSDP is supported in its second version: write fsdp_version: 2 under fsdp_config")
        accelerator.state.fsdp_plugin.mixed_precision_policy = None  # it rounds inputs, too; autocast does not
        warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)  # no code here writes into an output
    return accelerator


def prepare(accelerator: Accelerator, module: nn.Module, optimizer: Optimizer) -> tuple[Any, Any]:
    """A module that is trained together with its copies or parts in the other processes, and its optimizer.

    Raises:
        UsageError: accelerate's configuration does not fit the module.
    """
    try:
        prepared: tuple[Any, Any] = accelerator.prepare(module, optimizer)
    except ValueError as error:
        raise UsageError(f"accelerate's configuration does not fit the models: {error}") from None
    return prepared


def any_process(accelerator: Accelerator, *conditions: bool) -> list[bool]:
    """Whether each condition is true in any process. All processes must call this together."""
    counts = accelerator.reduce(torch.tensor(conditions, dtype=torch.float32, device=accelerator.device))
    return [count > 0 for count in counts.tolist()]


def from_main_process(value: T) -> T:
    """The main process's value, in every process. All processes must call this together."""
    from accelerate.utils import broadcast_object_list

    (value,) = broadcast_object_list([value])
    return value


def full_tensor(tensor: Tensor) -> Tensor:
    """A tensor with the parts that the other processes keep. All processes must call this together."""
    if not isinstance(tensor, DTensor):
        return tensor
    gathered: Tensor = tensor.detach().full_tensor()  # type: ignore[attr-defined]  # detach() is typed to lose its class
    return gathered


def distribute_like(tensor: Tensor, model: Tensor) -> Tensor:
    """A full tensor, in the parts in which `model`, of the same shape, is kept."""
    if not isinstance(model, DTensor) or tensor.shape != model.shape:
        return tensor
    here = tensor.to(model.device)
    return distribute_tensor(here, model.device_mesh, model.placements, src_data_rank=None)


class FullTensors(nn.Module):
    """A module's weights and buffers as full tensors in every process. All processes must iterate together."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.source = [module]  # in a list, so that the module does not become a part of this one

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The weights, in the module's order."""
        return (cast("nn.Parameter", full_tensor(weight)) for weight in self.source[0].parameters(recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers. Every process has them in full already."""
        return self.source[0].buffers(recurse)


def ignore_interrupts(worker: int) -> None:
    """Leave the handling of Ctrl-C to the main process: a terminal sends it to the data workers, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextmanager
def reporting_lost_processes(folder: Path) -> Iterator[None]:
    """Exit with a message if a process is lost: another one that trains, or one that prepares data.

    Raises:
        UpscalerError: a process is lost.
    """
    try:
        yield
    except (
        RuntimeError,
        KeyboardInterrupt,
        ConnectionError,
        EOFError,
    ) as error:  # the launcher interrupts the remaining processes
        if "DataLoader" in str(error) or isinstance(error, ConnectionError | EOFError):
            raise UpscalerError(
                "a process that prepares excerpts was ended, or hangs, perhaps for want of memory: go on with --resume, "
                f"into {folder}, and with a smaller number under 'workers'"
            ) from None
        if not _is_failed_exchange(error):
            raise
        raise UpscalerError(
            f"another process of this run ended, or cannot be reached: go on with --resume, into {folder}"
        ) from None
    finally:
        if torch.distributed.is_initialized():
            signal.signal(
                signal.SIGTERM, signal.SIG_IGN
            )  # the launcher may still send it, and this process ends anyway


def exit_process(code: int) -> None:
    """End this process at once with an exit code, if it has exchanged anything with other processes.

    A thread of gloo gives tensors back to Python a moment after an exchange. If the interpreter is already ending then,
    the thread aborts the process, and the launcher takes a completed run for a failure.
    """
    if torch.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _is_failed_exchange(error: BaseException) -> bool:
    """Whether this error, or one that it followed, is a failed exchange between processes."""
    if isinstance(error, torch.distributed.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error)):
        return True
    return error.__context__ is not None and _is_failed_exchange(error.__context__)
