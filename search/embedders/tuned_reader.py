"""The last layers of the multilingual encoder as something behind it tuned them.

A product of two narrow matrices is added to each of theirs (LoRA, Hu et al. 2022). Such changes are all that a
checkpoint holds of them: the layers themselves lie in the encoder's package.
"""

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from search.embedders import e5
from search.embedders.minilm import through

_MATRICES = (
    *(f"attention.self.{name}.weight" for name in ("query", "key", "value")),
    *(f"{name}.dense.weight" for name in ("attention.output", "intermediate", "output")),
)


class TunedReader(nn.Module):
    """So many layers next to the output; without a change to begin with, and only the changes are trained."""

    def __init__(self, layers: int, rank: int) -> None:
        super().__init__()
        self.layers = copy.deepcopy(nn.ModuleList(e5.shared().layers[-layers:]))
        self.layers.requires_grad_(requires_grad=False)
        self.changes = nn.ModuleList(
            nn.ModuleList(_Change(layer.get_parameter(name).shape, rank) for name in _MATRICES)
            for layer in self.layers
        )
        self._settled = False

    def forward(self, before: Tensor, mask: Tensor) -> Tensor:
        """States before these layers (N, T, 384) with mask (N, T) -> those of the last one (N, T, 384)."""
        layers: Iterable[Callable[..., Any]] = self.layers
        if not self._settled:
            layers = [partial(_called, *both) for both in zip(self.layers, self._changed(), strict=True)]
        dtype = self.layers[0].get_parameter(_MATRICES[0]).dtype
        return through(layers, before.to(dtype), mask).float()

    @torch.no_grad()
    def settle(self) -> None:
        """For who only reads: the changes are added once and for all."""
        for layer, weights in zip(self.layers, self._changed(), strict=True):
            for name, weight in weights.items():
                layer.get_parameter(name).copy_(weight)
        self._settled = True

    def _changed(self) -> list[dict[str, Tensor]]:
        return [self._changed_layer(at) for at in range(len(self.layers))]

    def _changed_layer(self, at: int) -> dict[str, Tensor]:
        changes: Any = self.changes[at]
        return {
            name: change(self.layers[at].get_parameter(name))
            for name, change in zip(_MATRICES, changes, strict=True)
        }


class _Change(nn.Module):
    """Of a matrix of this shape."""

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        rows, columns = shape
        self.narrow = nn.Parameter(torch.randn(rank, columns) * 2 / math.sqrt(columns))
        self.widen = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, matrix: Tensor) -> Tensor:
        return (matrix + self.widen @ self.narrow).to(matrix.dtype)


def _called(layer: nn.Module, weights: dict[str, Tensor], states: Tensor, **more: Tensor) -> Any:
    return functional_call(layer, weights, (states,), more)
