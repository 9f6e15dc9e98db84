"""Words that a picture calls for, read straight from its features.

A head of its own learns in a minute which words people use for a picture; the language model is given the likeliest
as text and makes the sentence (visual concepts, Fang et al. 2015; semantic attention, You et al. 2016).
"""

import torch
from torch import Tensor, nn

from captioning.vision.backbone import CHANNELS


class ConceptHead(nn.Module):
    """Pooled grid features -> scores (N, C) of C words. `usual`: (C,), the share of pictures each is used for."""

    usual: Tensor

    def __init__(self, count: int, width: int = 256, dropout: float = 0.4) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(2 * CHANNELS),
            nn.Dropout(dropout),
            nn.Linear(2 * CHANNELS, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, count),
        )
        self.register_buffer("usual", torch.full((count,), 0.5))

    def forward(self, pooled: Tensor) -> Tensor:
        """Of what `pooled_grid` gave."""
        scores: Tensor = self.layers(pooled)
        return scores

    def striking(self, scores: Tensor, k: int) -> Tensor:
        """Indices (N, k) of the words that say most: likely here, and likelier than elsewhere."""
        telling = scores.sigmoid() * self.lifts(scores)
        return telling.topk(min(k, scores.shape[1]), dim=1).indices

    def lifts(self, scores: Tensor) -> Tensor:
        """How much likelier than elsewhere each word is here, in nats: (N, C) -> (N, C)."""
        return (scores.sigmoid() / self.usual).log()


def pooled_grid(grid: Tensor) -> Tensor:
    """What there is on the whole and what there is anywhere: (N, 81, 1280) -> (N, 2560)."""
    return torch.cat([grid.mean(dim=1), grid.amax(dim=1)], dim=1)
