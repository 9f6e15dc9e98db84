"""What the backbone's classifier knows of things that no caption of the training set speaks of.

A picture is placed among the names of its classes: the mean of their sentence vectors, weighed by probability
(ConSE, Norouzi et al. 2014). A query is its own sentence vector. Nothing is trained.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioning.vision.backbone import CLASSES
from captioning.vision.tags import class_names
from search.embedders.minilm import DIMENSION, MiniLM

_SYNONYMS = 2


class ZeroShot(nn.Module):
    """Class scores and sentences in one space, both centred: what all sentences share tells nothing apart."""

    classes: Tensor
    center: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("classes", torch.zeros(CLASSES, DIMENSION))
        self.register_buffer("center", torch.zeros(DIMENSION))

    def build(self, encoder: MiniLM, center: Tensor) -> None:
        """Fill in the vectors of the class names; `center` (384,) is the mean of the sentences that people write."""
        names = encoder.sentences([", ".join(names[:_SYNONYMS]) for names in class_names()])
        self.classes.copy_(names - names.mean(dim=0))
        self.center.copy_(center)

    def images(self, logits: Tensor) -> Tensor:
        """Class scores (N, 1000) -> unit vectors (N, 384)."""
        return functional.normalize(logits.softmax(dim=-1) @ self.classes, dim=-1)

    def texts(self, sentences: Tensor) -> Tensor:
        """Unit sentence vectors (N, 384) -> unit vectors (N, 384)."""
        return functional.normalize(sentences - self.center, dim=-1)
