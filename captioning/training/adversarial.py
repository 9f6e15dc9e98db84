"""Adversarial fine-tuning: a discriminator learns to tell human captions, and the captioner to pass for one.

After Dai et al. 2017, "Towards Diverse and Natural Image Descriptions via a Conditional GAN": the discriminator is
shown what people wrote of a picture (real), what the captioner draws for it (fake), and what people wrote of another
one (wrong), so that a caption has to sound human and to belong to the picture. The captioner learns by policy gradient,
the discriminator's probability being the reward, alone or mixed with CIDEr-D; the baseline is that of
`captioning.training.self_critical`. It comes last, and by choice: in that paper, what it adds in variety it takes from
CIDEr.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from captioning.captioners.concepts import pooled_grid
from captioning.captioners.sampling import Sample
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.batches import Hints
from captioning.training.checkpoint import Stateful
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage, tidy_caption
from captioning.training.pictures import Picked
from captioning.training.self_critical import SelfCriticalBatches
from captioning.training.styles import in_style
from captioning.vision.backbone import CHANNELS
from captioning.vision.frames import Features

_WIDTH = 256
_DROPOUT = 0.2
_LEARNING_RATE, _WEIGHT_DECAY = 1e-3, 0.01
#: Each batch is learned from so many times, after it was judged: captions are dear, the discriminator is cheap.
_PASSES = 3
#: Until it has learned from so many batches, its opinion is worth nothing.
LEARNS_FIRST = 20


@dataclass(frozen=True)
class Written:
    """Captions of N pictures, each picture's as lists of token ids, none of them empty."""

    human: Sequence[Sequence[list[int]]]
    own: Sequence[Sequence[list[int]]]
    wrong: Sequence[Sequence[list[int]]]


class Discriminator(nn.Module):
    """How surely a person wrote this of that picture: the dot product of the picture and the sentence, in logits."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            nn.LayerNorm(2 * CHANNELS), nn.Dropout(_DROPOUT), nn.Linear(2 * CHANNELS, _WIDTH)
        )
        self.words = nn.Sequential(nn.LayerNorm(hidden), nn.Dropout(_DROPOUT), nn.Linear(hidden, _WIDTH))
        self.reader = nn.GRU(_WIDTH, _WIDTH, batch_first=True)
        self.sentence = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, pictures: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
        """(M,) of pooled grids (M, 2560), embedded words (M, T, hidden) and how many of these count (M,)."""
        read, _ = self.reader(self.words(words))
        last = read[torch.arange(len(read), device=read.device), lengths - 1]
        logits: Tensor = (self.picture(pictures) * self.sentence(last)).sum(dim=1) / _WIDTH**0.5
        return logits


class Judge:
    """The discriminator, what moves it, and how many batches it has learned from; goes on where a run was stopped."""

    def __init__(self, model: VisualLanguageModel) -> None:
        self.model = model
        self.batches = 0
        hidden = model.lm.get_input_embeddings().weight.shape[1]
        self.net = Discriminator(hidden).to(model.projector.place.device).eval()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, betas=(0.5, 0.98)
        )

    @torch.no_grad()
    def scores(self, pictures: Tensor, captions: Sequence[Sequence[list[int]]]) -> list[list[float]]:
        """The probability, for each of its captions, that a person wrote it of the picture. pictures: (N, 2560)."""
        scores: Iterator[float] = iter(self._logits(pictures, captions).sigmoid().tolist())
        return [[next(scores) for _ in own] for own in captions]

    def learn(self, pictures: Tensor, written: Written) -> None:
        """Some steps on one batch: half of the loss for what is human, a quarter each for what is not or not here."""
        self.net.train()
        for _ in range(_PASSES):
            loss = torch.zeros((), device=pictures.device)
            for captions, is_real, share in (
                (written.human, 1.0, 0.5),
                (written.own, 0.0, 0.25),
                (written.wrong, 0.0, 0.25),
            ):
                logits = self._logits(pictures, captions)
                loss = loss + share * functional.binary_cross_entropy_with_logits(
                    logits, torch.full_like(logits, is_real)
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        self.net.eval()
        self.batches += 1

    def state_dict(self) -> dict[str, Any]:
        """Weights, the optimizer's state, and how much it has learned from."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches = state["batches"]

    def _logits(self, pictures: Tensor, captions: Sequence[Sequence[list[int]]]) -> Tensor:
        """All captions of the first picture, then those of the second ..."""
        flat = [ids for own in captions for ids in own]
        rows = torch.tensor([row for row, own in enumerate(captions) for _ in own], device=pictures.device)
        lengths = torch.tensor([len(ids) for ids in flat], device=pictures.device)
        longest = max(map(len, flat))
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in flat], device=pictures.device)
        words = self.model.embed_text(padded).detach().float()
        logits: Tensor = self.net(pictures[rows], words, lengths)
        return logits


class AdversarialBatches(SelfCriticalBatches):
    """Batches of the model's own samples, weighed by how much more human each seems than the picture's others."""

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        views: dict[str, Features],
        hints: Hints,
        model: VisualLanguageModel,
        config: FinetuneConfig,
        reviewed: int = 0,
    ) -> None:
        super().__init__(images, views, hints, model, config, reviewed)
        self._grids = {view: features.grid for view, features in views.items()}
        self.judge = Judge(model)

    @property
    def learners(self) -> Mapping[str, Stateful]:
        return {"discriminator": self.judge}

    def _rewards(
        self,
        picked: Picked,
        styles: Sequence[str],
        samples: Sequence[Sequence[Sample]],
        choose: random.Random,
    ) -> list[list[float]]:
        """Judged first and learned from afterwards: what it knows by heart it can't judge."""
        ciders = super()._rewards(picked, styles, samples, choose)
        shown = [(index, style) for (index, _), style in zip(picked, styles, strict=True)]
        written = Written(
            human=[self._human(index, style, choose) for index, style in shown],
            own=[[self._told(each.ids, ended=each.ended) for each in drawn] for drawn in samples],
            wrong=[self._human(self._another_than(index, choose), style, choose) for index, style in shown],
        )
        pictures = self.pooled(picked)
        own, human = (self.judge.scores(pictures, each) for each in (written.own, written.human))
        self.figures |= {
            "judged_own": mean(chain.from_iterable(own)),
            "judged_human": mean(chain.from_iterable(human)),
        }
        share = self.config.adversarial_share
        heard = share if self.judge.batches >= LEARNS_FIRST else 0.0
        self.judge.learn(pictures, written)
        return [
            [heard * score + (1 - share) * cider for score, cider in zip(judged, rewarded, strict=True)]
            for judged, rewarded in zip(own, ciders, strict=True)
        ]

    def pooled(self, picked: Picked) -> Tensor:
        """What the discriminator sees of pictures: their grids by the shared backbone, pooled, (N, 2560)."""
        grids = np.stack([self._grids[view][index] for index, view in picked])
        return pooled_grid(torch.from_numpy(grids).float().to(self.model.projector.place.device))

    def _human(self, index: int, style: str, choose: random.Random) -> list[list[int]]:
        """As many of the picture's own captions as there are samples, cut where samples are."""
        captions = in_style(self.images[index].captions, style)
        choose.shuffle(captions)
        longest = self.config.max_caption_tokens
        encoded = [
            self.model.tokenizer.encode(tidy_caption(text), add_special_tokens=False)
            for text in captions[: self.config.captions_per_image]
        ]
        return [self._told(ids[:longest], ended=len(ids) < longest) for ids in encoded]

    def _another_than(self, index: int, choose: random.Random) -> int:
        count = len(self.images)
        return (index + choose.randrange(1, max(2, count))) % count

    def _told(self, ids: list[int], *, ended: bool) -> list[int]:
        return [*ids, self._pad] if ended else ids
