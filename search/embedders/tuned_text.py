"""The last layers of the sentence encoder that an image space trains for itself, beside the shared, frozen ones.

What captions are compared by, and the class names of the zero-shot part, stay where the encoder puts them.
"""

import copy
from typing import NamedTuple

from torch import Tensor, nn

from search.embedders import minilm


class Heard(NamedTuple):
    """N texts as an image space reads them.

    states: of the sentence encoder's last layer (N, T, 384). mask: (N, T), true where there is a token. heard: what the
    towers read (N, T, 384): those states, or what tuned layers make in their place.
    """

    states: Tensor
    mask: Tensor
    heard: Tensor


class TunedText(nn.Module):
    """So many layers next to the output, with the encoder's weights to begin with. Float32, to be trained."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(minilm.shared().layers[-layers:]))
        self.requires_grad_(requires_grad=True)

    def forward(self, before: Tensor, mask: Tensor) -> Tensor:
        """States before these layers (N, T, 384) with mask (N, T) -> those of the last one (N, T, 384)."""
        return minilm.through(self.layers, before, mask)
