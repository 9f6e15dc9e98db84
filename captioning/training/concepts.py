"""Training of the concept head: which words people use for a picture. Seconds per epoch, before the language model."""

import random
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from captioning.captioners.concepts import ConceptHead, pooled_grid
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.batches import Hints
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.vision.frames import Features

_VOCABULARY = 600
#: A word that people use for nearly every picture says nothing about any; a rare one can't be learned.
_COMMON_SHARE, _FEWEST_PICTURES = 0.45, 3
_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 20, 100, 2e-3, 0.1
_FOLDS = 2


def concept_vocabulary(images: Sequence[CaptionedImage]) -> tuple[str, ...]:
    """The words used for the most pictures, without those used for about half of all pictures or more."""
    counts = Counter(word for image in images for word in _words_of(image))
    most = max(_COMMON_SHARE * len(images), _FEWEST_PICTURES)
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(word for word, count in ranked if _FEWEST_PICTURES <= count <= most)[:_VOCABULARY]


def learned_hints(
    model: VisualLanguageModel,
    images: Sequence[CaptionedImage],
    views: dict[str, Features],
    config: FinetuneConfig,
    *,
    anew: bool = False,
) -> Hints:
    """Hints for every view of the training pictures; teaches the model's own concept head if it is a fresh one.

    anew: teach it in any case, because there are pictures now that it never saw.
    """
    if model.concepts is None:
        return {view: model.hints(features.logits, None) for view, features in views.items()}
    if config.trains == "styles":  # what reads the words is frozen: it can't learn to trust them too much
        return {view: _own_hints(model, features) for view, features in views.items()}
    data = ConceptData(images, views, model.architecture.concepts)
    if anew or not config.start_from:
        model.concepts.load_state_dict(data.fit(config.seed).state_dict())
    scores = data.held_out(config.seed)
    return {
        view: model.hints(features.logits, torch.from_numpy(scores[view])) for view, features in views.items()
    }


def _own_hints(model: VisualLanguageModel, features: Features, batch: int = 500) -> list[list[str]]:
    hints: list[list[str]] = []
    for start in range(0, len(features), batch):
        part = Features(features.grid[start : start + batch], features.logits[start : start + batch])
        hints += model.hints(part.logits, model.concept_scores(part))
    return hints


class ConceptData:
    """The pooled features of every view of the pictures of a split, and their words."""

    def __init__(
        self, images: Sequence[CaptionedImage], views: dict[str, Features], vocabulary: Sequence[str]
    ) -> None:
        self.pooled = {view: _pooled(features) for view, features in views.items()}
        column = {word: at for at, word in enumerate(vocabulary)}
        self.targets = torch.zeros(len(images), len(vocabulary))
        for row, image in enumerate(images):
            self.targets[row, [column[word] for word in _words_of(image) if word in column]] = 1.0

    def fit(self, seed: int, among: Sequence[int] | None = None) -> ConceptHead:
        """A head trained on these pictures, or on some of them; on any of their views at random."""
        choose = random.Random(seed)
        rows = list(range(len(self.targets)) if among is None else among)
        views = list(self.pooled)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = ConceptHead(self.targets.shape[1]).train()
            head.usual.copy_(self.targets[rows].mean(dim=0))
            optimizer = torch.optim.AdamW(head.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
            steps = _EPOCHS * -(-len(rows) // _BATCH)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            for _ in tqdm(range(_EPOCHS), desc="concepts", leave=False):
                choose.shuffle(rows)
                for start in range(0, len(rows), _BATCH):
                    batch = rows[start : start + _BATCH]
                    pooled = torch.stack([self.pooled[choose.choice(views)][row] for row in batch])
                    loss = functional.binary_cross_entropy_with_logits(head(pooled), self.targets[batch])
                    optimizer.zero_grad(set_to_none=True)
                    (loss * self.targets.shape[1]).backward()
                    optimizer.step()
                    schedule.step()
        return head.eval()

    @torch.inference_mode()
    def held_out(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """Scores (N, C) per view, of every picture by a head that never saw it.

        A head knows its own training pictures too well: a language model taught with those scores would trust it
        more than it deserves.
        """
        count = len(self.targets)
        scores = {view: np.zeros(self.targets.shape, np.float32) for view in self.pooled}
        for fold in range(_FOLDS):
            with torch.inference_mode(mode=False):
                head = self.fit(seed, [row for row in range(count) if row % _FOLDS != fold])
            for view, pooled in self.pooled.items():
                scores[view][fold::_FOLDS] = head(pooled[fold::_FOLDS]).numpy()
        return scores


def _pooled(features: Features, batch: int = 500) -> Tensor:
    parts = [features.grid[start : start + batch] for start in range(0, len(features), batch)]
    return torch.cat([pooled_grid(torch.from_numpy(part.astype(np.float32))) for part in parts])


def _words_of(image: CaptionedImage) -> set[str]:
    return {word for caption in image.captions for word in re.findall(r"\w+", caption.lower())}
