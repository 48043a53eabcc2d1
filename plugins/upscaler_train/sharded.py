"""Tensors that FSDP2 keeps in parts, one in each process: whole, and in parts again. Others pass through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


class Whole(nn.Module):
    """A module's weights and buffers, each whole in every process; all of them must ask."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.parts = [module]  # in a list, so that they are not this module's own

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The weights, in the module's order."""
        return (cast("nn.Parameter", whole(weight)) for weight in self.parts[0].parameters(recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, which every process has anyway."""
        return self.parts[0].buffers(recurse)


def whole(tensor: Tensor) -> Tensor:
    """A tensor with the parts that the other processes keep; all of them must ask."""
    if not isinstance(tensor, DTensor):
        return tensor
    gathered: Tensor = tensor.detach().full_tensor()  # type: ignore[attr-defined]  # detach() is typed to forget its class
    return gathered


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor, in the parts in which `model`, of the same shape, is kept."""
    if not isinstance(model, DTensor) or tensor.shape != model.shape:
        return tensor
    here = tensor.to(model.device)
    return distribute_tensor(here, model.device_mesh, model.placements, src_data_rank=None)
