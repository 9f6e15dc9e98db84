"""The two towers of the dual encoder: a grid of features and a row of token states, into one space."""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioning.vision.backbone import CHANNELS, GRID_SIDE
from captioning.vision.tuned import TunedBackbone
from search.embedders.looks import PLAIN
from search.embedders.minilm import DIMENSION as TEXT_WIDTH
from search.embedders.minilm import sentence_means
from search.embedders.querybank import Querybank
from search.embedders.tuned_text import TunedText
from search.embedders.zero_shot import ZeroShot


@dataclass(frozen=True)
class TowerShape:
    """What has to be known to rebuild the towers that a checkpoint's weights fit."""

    members: int = 2
    member_dimension: int = 256
    heads: int = 8
    dropout: float = 0.2
    #: How much of a score is the classifier's zero-shot knowledge; calib finds 0.15 and 0.2 level, rare things need it.
    zero_shot_share: float = 0.2
    querybank_sentences: int = 2000
    querybank_axes: int = 64
    #: frozen, or last_stage: the pictures' towers read a last stage of the backbone that was trained with them.
    backbone: str = "frozen"
    #: How many of the sentence encoder's last layers were trained with the texts' towers, which read what these make.
    text_layers: int = 0
    #: In which ways a picture is looked at to be embedded (`looks.py`); its vector is that of their mean.
    looks: tuple[str, ...] = (PLAIN,)

    @property
    def joint_dimension(self) -> int:
        """Length of the members' vectors and the zero-shot one side by side."""
        return self.members * self.member_dimension + TEXT_WIDTH

    @property
    def dimension(self) -> int:
        """Length of a vector of the space."""
        return self.joint_dimension + 1


class AttentionPool(nn.Module):
    """Learned queries attend over a set (the pooling by multihead attention of Lee et al. 2019).

    states (N, T, width), mask (N, T) true where there is something -> (N, width).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Parameter(torch.randn(heads, width // heads) / math.sqrt(width // heads))
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        keys = self.key(states).unflatten(2, (self.heads, -1))
        values = self.value(states).unflatten(2, (self.heads, -1))
        scores = torch.einsum("nthd,hd->nht", keys, self.query) / math.sqrt(keys.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
        pooled: Tensor = torch.einsum("nht,nthd->nhd", scores.softmax(dim=-1), values).flatten(1)
        return pooled


class DualTowers(nn.Module):
    """Several pairs of towers that learned apart and the zero-shot knowledge, read as one space.

    The vectors of all stand side by side, scaled so that the cosine of two joint vectors is the weighed mean of
    the members' cosines: an ensemble at the price of one look-up. The querybank adds what evens out hubs.
    """

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.image_towers = nn.ModuleList(ImageTower(shape) for _ in range(shape.members))
        self.text_towers = nn.ModuleList(TextTower(shape) for _ in range(shape.members))
        self.last_stage = TunedBackbone(whole=False) if shape.backbone == "last_stage" else None
        self.tuned_text = TunedText(shape.text_layers) if shape.text_layers else None
        self.zero_shot = ZeroShot()
        self.querybank = Querybank(shape.querybank_sentences, shape.querybank_axes, shape.joint_dimension)
        self.share = shape.zero_shot_share

    def grid(self, seen: Tensor) -> Tensor:
        """What the towers of the pictures read, (N, 81, 1280): of the shared backbone's grid just that, of the map
        before its last stage (N, 208, 9, 9) what their own makes of it.
        """
        return seen if self.last_stage is None else self.last_stage(seen).float()

    def images(self, seen: Tensor, logits: Tensor) -> Tensor:
        """What `grid` reads, and class scores (N, 1000) -> unit vectors (N, dimension)."""
        return self.images_of([(seen, logits)])

    def images_of(self, looks: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """The same for pictures that were looked at several times: (seen, logits) of each look -> that of the mean."""
        joint = functools.reduce(torch.add, (self._joint_images(*look) for look in looks))
        return self.querybank.images(functional.normalize(joint, dim=-1))

    def texts(self, states: Tensor, mask: Tensor, heard: Tensor | None = None) -> Tensor:
        """Token states (N, T, 384) with mask (N, T) -> unit vectors (N, dimension).

        heard: what the towers read (N, T, 384), where that is not the states themselves; see `hear`.
        """
        return self.querybank.texts(self.joint_texts(states, mask, heard))

    def joint_texts(self, states: Tensor, mask: Tensor, heard: Tensor | None = None) -> Tensor:
        """The same before hubs are taken down, as the querybank is filled: unit vectors (N, joint_dimension)."""
        heard = states if heard is None else heard
        members = [tower(heard, mask) for tower in self.text_towers]
        return self._joint(members, self.zero_shot.texts(sentence_means(states, mask)))

    def hear(self, before: Tensor, mask: Tensor) -> Tensor:
        """What the texts' towers read of the states before the sentence encoder's last layers, (N, T, 384)."""
        return before if self.tuned_text is None else self.tuned_text(before, mask)

    def _joint_images(self, seen: Tensor, logits: Tensor) -> Tensor:
        grid = self.grid(seen)
        return self._joint([tower(grid) for tower in self.image_towers], self.zero_shot.images(logits))

    def _joint(self, members: Sequence[Tensor], zero_shot: Tensor) -> Tensor:
        trained = math.sqrt((1 - self.share) / len(members))
        return torch.cat(
            [trained * member for member in members] + [math.sqrt(self.share) * zero_shot], dim=-1
        )


class ImageTower(nn.Module):
    """Grid features (N, 81, 1280) -> unit vectors (N, member_dimension)."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)
        self.narrow = nn.Linear(CHANNELS, shape.member_dimension)
        self.place = nn.Parameter(torch.zeros(GRID_SIDE**2, shape.member_dimension))
        self.pool = AttentionPool(shape.member_dimension, shape.heads)
        self.whole = nn.Linear(CHANNELS, shape.member_dimension)
        self.dropout = ChannelDropout(shape.dropout)
        self.mix = _Mix(shape)

    def forward(self, grid: Tensor, cells: Tensor | None = None) -> Tensor:
        """`cells` names the places of the given cells where they are not all."""
        grid = self.dropout(self.norm(grid))
        place = self.place if cells is None else self.place[cells]
        states = functional.gelu(self.narrow(grid)) + place
        return functional.normalize(self.mix(self.pool(states) + self.whole(grid.mean(dim=1))), dim=-1)


class TextTower(nn.Module):
    """Token states (N, T, 384) with mask (N, T) -> unit vectors (N, member_dimension)."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(TEXT_WIDTH)
        self.widen = nn.Linear(TEXT_WIDTH, shape.member_dimension)
        self.pool = AttentionPool(shape.member_dimension, shape.heads)
        self.whole = nn.Linear(TEXT_WIDTH, shape.member_dimension)
        self.dropout = ChannelDropout(shape.dropout)
        self.mix = _Mix(shape)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        sentence = sentence_means(states, mask)
        words = functional.gelu(self.widen(self.dropout(self.norm(states))))
        whole = self.whole(self.dropout(sentence[:, None] * math.sqrt(TEXT_WIDTH))[:, 0])
        return functional.normalize(self.mix(self.pool(words, mask) + whole), dim=-1)


class ChannelDropout(nn.Module):
    """Drop whole channels of a set of states (N, T, width): the same ones in all places, so no place tells the others'.

    On a CPU it also costs a fraction of drawing a random number for every element.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, states: Tensor) -> Tensor:
        if not self.training:
            return states
        kept = functional.dropout(torch.ones_like(states[:, :1]), self.share)
        return states * kept


class _Mix(nn.Module):
    """A residual feed-forward layer over the pooled vector."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(shape.member_dimension)
        self.layers = nn.Sequential(
            nn.Linear(shape.member_dimension, 2 * shape.member_dimension),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(2 * shape.member_dimension, shape.member_dimension),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        mixed: Tensor = pooled + self.layers(self.norm(pooled))
        return mixed
