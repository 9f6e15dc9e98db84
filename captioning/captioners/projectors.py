"""From the grid of backbone features to tokens that a language model reads like words."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioning.captioners.architecture import Architecture
from captioning.vision.backbone import CHANNELS, GRID_SIDE

_HEADS = 8


class Projector(nn.Module):
    """Grid features (N, 81, 1280) -> visual tokens (N, visual_side ** 2 + 1, hidden); the last is the whole picture.

    `mlp` and `linear` project the grid's averages over a coarser one; with `resampler`, learned queries look for what
    they want in the whole grid (Alayrac et al. 2022, "Flamingo").
    """

    def __init__(
        self, architecture: Architecture, hidden: int, output_scale: float, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.side = architecture.visual_side
        self.count = self.side**2 + 1
        width = architecture.projector_width
        self.resampler = Resampler(self.count, width) if architecture.projector == "resampler" else None
        self.norm = nn.LayerNorm(CHANNELS)
        self.mlp = (
            nn.Sequential(nn.Dropout(dropout), nn.Linear(CHANNELS, hidden))
            if architecture.projector == "linear"
            else nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(width if self.resampler else CHANNELS, width),
                nn.GELU(),
                nn.Linear(width, hidden),
            )
        )
        self.place = nn.Parameter(torch.zeros(self.count, hidden))
        self.scale = nn.LayerNorm(hidden)
        nn.init.constant_(self.scale.weight, output_scale)

    def forward(self, grid: Tensor) -> Tensor:
        tokens = self.resampler(self.norm(grid)) if self.resampler else self.norm(self._averages(grid))
        projected: Tensor = self.scale(self.mlp(tokens) + self.place)
        return projected

    def _averages(self, grid: Tensor) -> Tensor:
        square = grid.transpose(1, 2).reshape(len(grid), CHANNELS, GRID_SIDE, GRID_SIDE)
        pooled = functional.adaptive_avg_pool2d(square, self.side).flatten(2).transpose(1, 2)
        return torch.cat([pooled, grid.mean(dim=1, keepdim=True)], dim=1)


def regridded(place: Tensor, side: int) -> Tensor:
    """The vectors of a grid's places and of the whole picture, (M ** 2 + 1, hidden), for a grid of side ** 2 places.

    Interpolated, as Dosovitskiy et al. 2021 (3.2) do for pictures of another size.
    """
    *_, hidden = place.shape
    was = math.isqrt(len(place) - 1)
    square = place[:-1].T.reshape(1, hidden, was, was)
    resized = functional.interpolate(square, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([resized.reshape(hidden, side**2).T, place[-1:]])


class Resampler(nn.Module):
    """Learned queries that attend to the grid: (N, 81, 1280) -> (N, count, width)."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(count, width) * 0.02)
        self.place = nn.Parameter(torch.randn(GRID_SIDE**2, width) * 0.02)
        self.cells = nn.Linear(CHANNELS, width)
        self.attend = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, grid: Tensor) -> Tensor:
        cells = self.cells(grid) + self.place
        queries = self.queries.expand(len(grid), -1, -1)
        found, _ = self.attend(queries, cells, cells, need_weights=False)
        normed: Tensor = self.norm(queries + found)
        return normed
