"""Training batches: one picture, its prompt, and all its captions side by side in one sequence.

The captions of a picture see the picture and themselves, never each other: the prefix, which is most of the
work, is computed once for all of them.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.augmentation import noisy
from captioning.training.checkpoint import Stateful
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage, tidy_caption
from captioning.training.pictures import pictures_for
from captioning.training.reviews import mixed
from captioning.training.styles import taught_in_style
from captioning.vision.frames import Features

#: For each view, for each picture, the words that stand before its caption.
Hints = Mapping[str, Sequence[list[str]]]

#: Batches are sorted by length within so many of them: little padding, and still at random.
_POOL = 8
_SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Batch:
    """B pictures, padded to sequences of T text tokens behind V visual ones.

    seen: what the model reads of them, (B, ...). ids: (B, T). positions: (B, V+T). mask: bool (B, 1, V+T, V+T), true
    where attended.
    rows, sources, targets: (K,), predict target k at position `sources[k]` of sequence `rows[k]`.
    weights: (K,), how much target k counts; below zero it is to become less likely.
    """

    seen: Tensor
    ids: Tensor
    positions: Tensor
    mask: Tensor
    rows: Tensor
    sources: Tensor
    targets: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.seen)

    def pieces(self, most: int | None) -> "list[Batch]":
        """The same in batches of at most so many pictures; None: as it is."""
        if most is None or most >= len(self):
            return [self]
        return [self._rows(start, min(start + most, len(self))) for start in range(0, len(self), most)]

    def _rows(self, start: int, stop: int) -> "Batch":
        mine = (self.rows >= start) & (self.rows < stop)
        pictures = {name: getattr(self, name)[start:stop] for name in ("seen", "ids", "positions", "mask")}
        targets = {name: getattr(self, name)[mine] for name in ("sources", "targets", "weights")}
        return Batch(**pictures, rows=self.rows[mine] - start, **targets)


@dataclass(frozen=True)
class PackedCaptions:
    """One picture as a sequence: its prompt, then its captions; what `collate` makes batches of."""

    ids: list[int]
    segments: list[int]
    positions: list[int]
    sources: list[int]
    targets: list[int]


class BatchSource:
    """Turns a split and its cached features into shuffled batches; the same seed and epoch give the same ones."""

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        views: dict[str, Features],
        hints: Hints,
        model: VisualLanguageModel,
        config: FinetuneConfig,
        reviewed: int = 0,
    ) -> None:
        """`reviewed`: how many of the pictures, the last ones, were reviewed; see `config.review_share`."""
        self.images = images
        self.views = tuple(views)
        self.pictures = pictures_for(model.architecture.backbone, [image.path for image in images], views)
        self.model = model
        self.config = config
        self.hints = hints
        #: What is worth a curve beside the loss, of the last batch.
        self.figures: dict[str, float] = {}
        self.reviewed = reviewed
        self._length = [sum(map(len, image.captions)) for image in images]

    @property
    def learners(self) -> Mapping[str, Stateful]:
        """What else learns while batches are made, and has to go on with the run; by name."""
        return {}

    def __len__(self) -> int:
        """Steps per epoch, of `accumulate` batches each."""
        return -(-len(self._chosen(0)) // self.config.accumulate)

    def epoch(self, number: int, *, skip: int = 0) -> Iterator[list[Batch]]:
        """The batches of each step of one epoch, without the first `skip` steps (a resumed run has had them)."""
        chosen, size = self._chosen(number), self.config.accumulate

        def chance(at: int) -> random.Random:
            return random.Random(f"{self.config.seed}:{number}:{at}")

        coming = (self._picked(chosen[at], chance(at)) for at in range(skip * size, len(chosen)))
        self.pictures.announce(number, coming)
        for start in range(skip * size, len(chosen), size):
            yield [self._batch(chosen[at], chance(at)) for at in range(start, min(start + size, len(chosen)))]

    def _chosen(self, number: int) -> list[list[int]]:
        """Pictures of each batch of one epoch: at random, but those of a batch have about as much said of them."""
        choose = random.Random(f"{self.config.seed}:{number}")
        order = self._order(choose)
        size = self.config.images_per_batch
        pool = size * _POOL
        by_length = [
            index
            for start in range(0, len(order), pool)
            for index in sorted(order[start : start + pool], key=self._length.__getitem__)
        ]
        batches = [by_length[start : start + size] for start in range(0, len(by_length), size)]
        choose.shuffle(batches)
        return batches

    def _order(self, choose: random.Random) -> list[int]:
        """The pictures of an epoch, at random, those drawn from reviews among them."""
        order, most = list(range(len(self.images))), self.config.images_per_epoch
        if self.reviewed:
            base = len(order) - self.reviewed
            return mixed(order[:base], order[base:], self.config.review_share, most, choose)
        choose.shuffle(order)
        return order[:most]

    def _batch(self, chosen: Sequence[int], choose: random.Random) -> Batch:
        picked = self._picked(chosen, choose)
        sequences = [self._sequence(index, view, choose, self._style(choose)) for index, view in picked]
        return collate(self.pictures.read(picked), sequences, self._pad)

    def _picked(self, chosen: Sequence[int], choose: random.Random) -> list[tuple[int, str]]:
        """Each picture with the view it is shown in: what is drawn first for a batch."""
        return [(index, self._view_of(index, choose)) for index in chosen]

    def _style(self, choose: random.Random) -> str:
        return choose.choice(self.config.styles)

    def _view_of(self, index: int, choose: random.Random) -> str:
        if any(_SIDED.search(caption) for caption in self.images[index].captions):
            return "plain"
        # the picture as it is half of the time, the other views share the rest
        others = [view for view in self.views if view != "plain"]
        return choose.choice(others) if others and choose.random() < 0.5 else "plain"

    def _sequence(self, index: int, view: str, choose: random.Random, style: str) -> PackedCaptions:
        hints = self._hints_of(index, view, choose)
        captions = taught_in_style(self.images[index].captions, style)
        choose.shuffle(captions)
        encoded = [
            self.model.tokenizer.encode(tidy_caption(text), add_special_tokens=False)[
                : self.config.max_caption_tokens
            ]
            for text in captions[: self.config.captions_per_image]
        ]
        read = encoded
        if self.config.word_dropout:
            words = len(self.model.tokenizer)
            read = [noisy(ids, self.config.word_dropout, words, choose) for ids in encoded]
        told = self.config.context_share and choose.random() < self.config.context_share
        prompt = self.model.prompt_ids(hints, style, self.images[index].context if told else "")
        return packed(prompt, encoded, self.model.projector.count, self._pad, read)

    def _hints_of(self, index: int, view: str, choose: random.Random) -> list[str]:
        return [] if choose.random() < self.config.hint_dropout else self.hints[view][index]

    @property
    def _pad(self) -> int:
        return int(self.model.tokenizer.eos_token_id)


def packed(
    prompt: list[int],
    captions: Sequence[list[int]],
    visual: int,
    end: int,
    read: Sequence[list[int]] | None = None,
) -> PackedCaptions:
    """One picture's sequence: visual tokens (segment 0), the prompt (segment 0), then captions 1, 2, ...

    read: what is shown of the captions where that is something else than what is to be said.
    """
    ids, segments = list(prompt), [0] * (visual + len(prompt))
    positions = list(range(len(segments)))
    prefix = len(segments)
    sources: list[int] = []
    targets: list[int] = []
    for number, caption in enumerate(captions, start=1):
        start = len(segments)
        ids += caption if read is None else read[number - 1]
        segments += [number] * len(caption)
        positions += range(prefix, prefix + len(caption))
        sources += [prefix - 1, *range(start, start + len(caption))]
        targets += [*caption, end]
    return PackedCaptions(ids, segments, positions, sources, targets)


def collate(
    seen: Tensor, sequences: Sequence[PackedCaptions], pad: int, weights: Sequence[float] | None = None
) -> Batch:
    """Pad to the longest and build the mask: causal, and blind to other captions of the same picture.

    `weights`: one for each target, in order; all count one where there are none.
    """
    length = max(len(s.segments) for s in sequences)
    visual = len(sequences[0].segments) - len(sequences[0].ids)
    ids = torch.tensor([s.ids + [pad] * (length - visual - len(s.ids)) for s in sequences])
    positions = torch.tensor([s.positions + [0] * (length - len(s.positions)) for s in sequences])
    segments = torch.tensor([s.segments + [-1] * (length - len(s.segments)) for s in sequences])
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = segments[:, :, None] == segments[:, None, :]
    prefix = (segments[:, None, :] == 0) & (segments[:, :, None] >= 0)
    rows = torch.tensor([row for row, s in enumerate(sequences) for _ in s.targets])
    targets = torch.tensor([k for s in sequences for k in s.targets])
    return Batch(
        seen=seen,
        ids=ids,
        positions=positions,
        mask=((same | prefix) & causal)[:, None],
        rows=rows,
        sources=torch.tensor([k for s in sequences for k in s.sources]),
        targets=targets,
        weights=torch.ones(len(targets)) if weights is None else torch.tensor(weights),
    )
