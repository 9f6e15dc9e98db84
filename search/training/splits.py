"""What the dual encoder learns from: what the backbone saw of pictures, and token states of their captions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from captioning.training.dataset import CaptionedImage
from captioning.training.features import cached_features
from search.embedders import minilm
from search.embedders.towers import sentence_means


@dataclass
class Split:
    """One split as the towers read it.

    seen: per view (N, 81, 1280), or (N, 208, 9, 9) for towers with a last stage of their own. logits: (N, 1000).
    captions: for each image its rows of `words`.
    """

    seen: dict[str, NDArray[np.float16]]
    logits: NDArray[np.float32]
    captions: list[list[int]]
    words: "TokenStates"

    def pictures(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What is seen of some images as they are, and their logits."""
        at = list(chosen)
        return torch.from_numpy(self.seen["plain"][at]).float(), torch.from_numpy(self.logits[at])


@dataclass
class TokenStates:
    """States of the tokens of many captions, padded to the longest: float16 (M, T, 384), and lengths (M,)."""

    states: Tensor
    lengths: Tensor

    def rows(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
        """States and mask of some captions, no longer than the longest of them."""
        lengths = self.lengths[list(chosen)]
        longest = int(lengths.max())
        mask = torch.arange(longest)[None] < lengths[:, None]
        return self.states[list(chosen), :longest].float(), mask

    def center(self, batch: int = 1000) -> Tensor:
        """Mean of the captions' sentence vectors, (384,)."""
        parts = [range(at, min(at + batch, len(self.lengths))) for at in range(0, len(self.lengths), batch)]
        return sum((sentence_means(*self.rows(part)).sum(dim=0) for part in parts), torch.zeros(1)) / len(
            self.lengths
        )


def read_split(
    images: Sequence[CaptionedImage], views: Sequence[str], cache_dir: Path, *, trunk: bool = False
) -> Split:
    """Features (cached on disk) and token states (computed now) of some captioned images."""
    paths, folder = [image.path for image in images], cache_dir / "features"
    features = {view: cached_features(paths, folder, view=view, trunk=trunk) for view in views}
    texts = [caption for image in images for caption in image.captions]
    starts = np.cumsum([0, *(len(image.captions) for image in images)])
    captions = [list(range(a, b)) for a, b in itertools.pairwise(starts)]
    seen = {view: each.trunk if each.trunk is not None else each.grid for view, each in features.items()}
    return Split(seen, features["plain"].logits, captions, token_states(texts))


def token_states(texts: Sequence[str], batch: int = 256) -> TokenStates:
    """The sentence encoder's token states of M texts."""
    encoder = minilm.shared()
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    pieces: dict[int, Tensor] = {}
    for start in tqdm(range(0, len(order), batch), desc="token states", leave=False):
        chosen = order[start : start + batch]
        states, mask = encoder.tokens([texts[at] for at in chosen])
        for at, row, kept in zip(chosen, states.half().cpu(), mask.sum(1).tolist(), strict=True):
            pieces[at] = row[:kept]
    rows = [pieces[at] for at in range(len(texts))]
    return TokenStates(
        nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])
    )
