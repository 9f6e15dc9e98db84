"""Hubs taken down: a picture that is near to every sentence says little by being near to one.

In a joint space some pictures are close to all queries and crowd out the right one. Their closeness to a bank of
sentences is taken off their score (querybank normalisation, Bogolin et al. 2022; the soft mean is that of the inverted
softmax, Smith et al. 2017, and its half is what cross-domain similarity local scaling takes off, Conneau et al. 2018).
The bank is part of the model, so a picture's correction is known when it is indexed and rides in its vector.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: How far the nearest sentences outweigh the others, and how much of the closeness is taken off; chosen on calib.
_SHARPNESS, _SHARE = 30.0, 0.5


class Querybank(nn.Module):
    """Sentences of the bank by their coordinates on the axes along which they differ most: a tenth of the bytes."""

    mean: Tensor
    axes: Tensor
    coordinates: Tensor

    def __init__(self, sentences: int, axes: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("axes", torch.zeros(axes, dimension))
        self.register_buffer("coordinates", torch.zeros(sentences, axes))

    @property
    def size(self) -> int:
        """How many sentences the bank holds."""
        return len(self.coordinates)

    def build(self, texts: Tensor) -> None:
        """Fill the bank with the vectors (size, dimension) of its sentences."""
        self.mean.copy_(texts.mean(dim=0))
        axes = torch.linalg.svd(texts - self.mean, full_matrices=False).Vh[: len(self.axes)]
        self.axes.zero_()[: len(axes)] = axes
        self.coordinates.copy_((texts - self.mean) @ self.axes.T)

    def closeness(self, images: Tensor) -> Tensor:
        """Soft mean over the bank of the cosines with each of N pictures: (N, dimension) -> (N,)."""
        cosines = (images @ self.axes.T) @ self.coordinates.T + (images @ self.mean)[:, None]
        return ((_SHARPNESS * cosines).logsumexp(dim=-1) - math.log(self.size)) / _SHARPNESS

    def images(self, vectors: Tensor) -> Tensor:
        """Unit vectors (N, dimension) -> unit vectors (N, dimension + 1), the last number for the correction."""
        return _extended(vectors, -_SHARE * self.closeness(vectors))

    def texts(self, vectors: Tensor) -> Tensor:
        """Unit vectors (N, dimension) -> unit vectors (N, dimension + 1), which read the correction."""
        return _extended(vectors, torch.ones_like(vectors[:, 0]))


def _extended(vectors: Tensor, last: Tensor) -> Tensor:
    return functional.normalize(torch.cat([vectors, last[:, None]], dim=-1), dim=-1)
