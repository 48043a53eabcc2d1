"""The options of this plugin's components."""

from upscaler_core import option
from upscaler_core.models import CheckpointOptions


class EdgeNetOptions(CheckpointOptions):
    """Options of `edge-net`."""

    channels: int = option(24, ge=4, le=256, help="width of the network")
