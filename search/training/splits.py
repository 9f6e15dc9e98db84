"""What the dual encoder learns from: what the backbone saw of pictures, and token states of their captions."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from captioning.training.dataset import CaptionedImage
from captioning.training.features import cached_features
from search.embedders import minilm
from search.embedders.minilm import Read, sentence_means


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
    """States of the tokens of M texts, one text behind the other: float16 (S, width), and lengths (M,).

    before: the states before the reader's last layers, where these learn, too.
    """

    states: Tensor
    lengths: Tensor
    before: Tensor | None = None

    def __post_init__(self) -> None:
        self._ends = self.lengths.cumsum(0).tolist()

    def rows(self, chosen: Sequence[int]) -> Read:
        """Some of the texts, no longer than the longest of them."""
        lengths = self.lengths[list(chosen)]
        mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
        spans = [
            (self._ends[at] - length, self._ends[at])
            for at, length in zip(chosen, lengths.tolist(), strict=True)
        ]
        states = _padded(self.states, spans)
        return Read(states, mask, states if self.before is None else _padded(self.before, spans))

    def center(self, batch: int = 1000) -> Tensor:
        """Mean of the captions' sentence vectors, (384,)."""
        parts = [range(at, min(at + batch, len(self.lengths))) for at in range(0, len(self.lengths), batch)]
        return sum((sentence_means(*self.rows(part)[:2]).sum(dim=0) for part in parts), torch.zeros(1)) / len(
            self.lengths
        )


def read_split(
    images: Sequence[CaptionedImage],
    views: Sequence[str],
    cache_dir: Path,
    *,
    trunk: bool = False,
    text_layers: int = 0,
) -> Split:
    """Features (cached on disk) and token states (computed now) of some captioned images."""
    paths, folder = [image.path for image in images], cache_dir / "features"
    features = {view: cached_features(paths, folder, view=view, trunk=trunk) for view in views}
    texts = [caption for image in images for caption in image.captions]
    starts = np.cumsum([0, *(len(image.captions) for image in images)])
    captions = [list(range(a, b)) for a, b in itertools.pairwise(starts)]
    seen = {view: each.trunk if each.trunk is not None else each.grid for view, each in features.items()}
    return Split(
        seen,
        features["plain"].logits,
        captions,
        token_states(texts, partial(minilm.shared().read, layers=text_layers)),
    )


def token_states(
    texts: Sequence[str], read: Callable[[Sequence[str]], Read], batch: int = 256
) -> TokenStates:
    """Token states of M texts."""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    tuned = False
    for start in tqdm(range(0, len(order), batch), desc="token states", leave=False):
        chosen = order[start : start + batch]
        states, mask, before = read([texts[at] for at in chosen])
        tuned = before is not states
        for at, kept, *both in zip(chosen, mask.cpu(), states.half().cpu(), before.half().cpu(), strict=True):
            rows[at] = both[0][kept], both[1][kept]
    kept = [rows[at] for at in range(len(texts))]
    return TokenStates(
        torch.cat([states for states, _ in kept]),
        torch.tensor([len(states) for states, _ in kept]),
        torch.cat([before for _, before in kept]) if tuned else None,
    )


def _padded(states: Tensor, spans: Sequence[tuple[int, int]]) -> Tensor:
    rows = [states[start:end] for start, end in spans]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True).float()
