"""The part of the backbone that a captioner or an embedder trains for itself, beside the shared, frozen one.

The batch norms are folded into their convolutions, as in the shared backbone. So their statistics stay those of
ImageNet, which a batch of sixteen photos could only make worse, while their scales and offsets are trained as part of
the convolutions' weights and biases; and training runs the same network as use does.
"""

from typing import Any

import torch
from torch import Tensor, nn

from captioning.vision.backbone import LastStage, Trunk, grid_of, network, normalised
from captioning.vision.frames import FrameBatch
from core.errors import ModelUnavailable


class TunedBackbone(nn.Module):
    """The last stage, or the whole, with the shared backbone's weights to begin with. Float32, to be trained."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # the same adapters start beside it as beside the frozen one
            net = network().to(memory_format=torch.channels_last)
        self.trunk = Trunk(net) if whole else None
        self.last_stage = LastStage(net)
        self.requires_grad_(requires_grad=True)

    def forward(self, seen: Tensor) -> Tensor:
        """Of what `read` gave, N maps before the last stage or pictures: their grid (N, 81, 1280)."""
        dtype = self.last_stage.head.weight.dtype
        before = seen.to(dtype) if self.trunk is None else self.trunk(normalised(seen, dtype))
        return grid_of(self.last_stage(before))

    def read(self, frames: FrameBatch) -> Any:
        """The map before the last stage, float16 (N, 208, 9, 9); uint8 pixels (N, 260, 260, 3) for the whole.

        ModelUnavailable where the shared backbone gave no such map.
        """
        if self.trunk is not None:
            return frames.pixels
        if frames.features.trunk is None:
            raise ModelUnavailable(
                "This model has a last stage of its own and reads the map before it, which BACKBONE did not give."
            )
        return frames.features.trunk
