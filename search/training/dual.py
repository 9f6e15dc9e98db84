"""Training of the dual encoder on cached features: minutes on two CPU cores."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import cached_features
from captioning.training.stopping import StopOnSignal
from core.devices import best_device, inference_dtype
from search.embedders import minilm
from search.embedders.dual import save_towers
from search.embedders.towers import DualTowers, TowerShape, sentence_means
from search.training.averaged import AveragedTraining, Pace
from search.training.recall import mean_recall, recall_at

STATE = "state.pt"


@dataclass(frozen=True)
class DualConfig:
    """Configuration of one run; saved beside its weights."""

    shape: TowerShape = field(default_factory=TowerShape)
    epochs: int = 12
    batch_size: int = 400
    captions_per_image: int = 2
    learning_rate: float = 6e-4
    weight_decay: float = 0.05
    warmup_steps: int = 30
    ema: float = 0.98
    kept_cells: int = 54
    word_dropout: float = 0.1
    softness: float = 0.1
    views: tuple[str, ...] = ("plain", "mirror", "crop")
    seed: int = 0
    device: str = "auto"


@dataclass
class Split:
    """One split as the towers read it.

    grids: per view (N, 81, 1280). logits: (N, 1000). captions: for each image its rows of `words`.
    """

    grids: dict[str, NDArray[np.float16]]
    logits: NDArray[np.float32]
    captions: list[list[int]]
    words: "TokenStates"

    def pictures(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Grids and logits of some images as they are."""
        at = list(chosen)
        return torch.from_numpy(self.grids["plain"][at]).float(), torch.from_numpy(self.logits[at])


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


def train(dataset: CaptionDataset, config: DualConfig, run_dir: Path, cache_dir: Path) -> dict[str, float]:
    """Train on the split train, choose the epoch by mean recall on calib, leave the towers in run_dir/best.

    Returns the best figures on calib (on dev where there is no calib): r1, r5, r10, mrr. Ctrl-C leaves a state
    that the next call resumes.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.json").write_text(json.dumps(asdict(config), indent=2))
    device = best_device(config.device)
    learn = read_split(dataset.split("train"), config.views, cache_dir)
    check = read_split(dataset.split("calib" if "calib" in dataset.splits else "dev"), ("plain",), cache_dir)
    torch.manual_seed(config.seed)
    towers = DualTowers(config.shape)
    towers.zero_shot.build(minilm.shared(), learn.words.center())
    run = _Run(towers, config, device, steps_per_epoch=math.ceil(len(learn.captions) / config.batch_size))
    run.resume(run_dir / STATE)
    learning = run.learning
    with StopOnSignal() as stop:
        while learning.epoch < config.epochs:
            run.train_epoch(learn)
            fill_querybank(learning.average, learn.words, device)
            figures = evaluate(learning.average, check, device)
            if mean_recall(figures) > mean_recall(learning.best):
                learning.best = figures
                save_towers(run_dir / "best", learning.average, config.shape)
            run.save(run_dir / STATE)
            tqdm.write(
                f"epoch {learning.epoch}: "
                + ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
            )
            if stop.requested:
                tqdm.write(f"Stopped; state in {run_dir}. The same command goes on from it.")
                break
    return learning.best


def read_split(images: Sequence[CaptionedImage], views: Sequence[str], cache_dir: Path) -> Split:
    """Features (cached on disk) and token states (computed now) of some captioned images."""
    paths = [image.path for image in images]
    features = {view: cached_features(paths, cache_dir / "features", view=view) for view in views}
    texts = [caption for image in images for caption in image.captions]
    starts = np.cumsum([0, *(len(image.captions) for image in images)])
    captions = [list(range(a, b)) for a, b in itertools.pairwise(starts)]
    grids = {view: seen.grid for view, seen in features.items()}
    return Split(grids, features["plain"].logits, captions, token_states(texts))


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


@torch.no_grad()
def fill_querybank(towers: DualTowers, words: TokenStates, device: torch.device, batch: int = 500) -> None:
    """Captions for the bank, evenly over the split; of a small split some come twice."""
    towers.eval()
    size, count = towers.querybank.size, len(words.lengths)
    rows = [at * count // size for at in range(size)]
    parts = [words.rows(rows[at : at + batch]) for at in range(0, size, batch)]
    towers.querybank.build(
        torch.cat([towers.joint_texts(states.to(device), mask.to(device)) for states, mask in parts])
    )


@torch.inference_mode()
def evaluate(towers: DualTowers, split: Split, device: torch.device) -> dict[str, float]:
    """Text-to-image recall: every caption is a query, the pool is every image of the split."""
    towers.eval()
    images = torch.cat(
        [
            towers.images(
                *(part.to(device) for part in split.pictures(range(at, min(at + 250, len(split.logits)))))
            )
            for at in range(0, len(split.logits), 250)
        ]
    )
    count = len(split.words.lengths)
    texts = torch.cat(
        [
            towers.texts(*(part.to(device) for part in split.words.rows(range(at, min(at + 500, count)))))
            for at in range(0, count, 500)
        ]
    )
    owners = torch.tensor([image for image, rows in enumerate(split.captions) for _ in rows])
    return recall_at((texts @ images.T).cpu().numpy(), owners.numpy())


class _Run:
    def __init__(
        self, towers: DualTowers, config: DualConfig, device: torch.device, steps_per_epoch: int
    ) -> None:
        self.config, self.device = config, device
        towers = towers.to(device)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0), device=device))
        groups: list[dict[str, Any]] = [
            {"params": list(towers.parameters())},
            {"params": [self.log_scale], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
        total, clip = steps_per_epoch * config.epochs, float(config.shape.members)
        pace = Pace(config.learning_rate, config.warmup_steps, total, config.ema, clip)
        self.learning = AveragedTraining(towers, optimizer, pace)
        self.dtype = inference_dtype(device)

    def train_epoch(self, split: Split) -> None:
        towers = self.learning.network.train()
        batches = list(_batches(len(split.captions), self.config, self.learning.epoch))
        for chosen, choose in tqdm(batches, desc=f"epoch {self.learning.epoch + 1}", leave=False):
            grid = _grids(split, chosen, choose).to(self.device)
            picked = [choose.sample(split.captions[at], self.config.captions_per_image) for at in chosen]
            losses = []
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
                cells = _some_cells(grid, self.config.kept_cells)
                images = [tower(*cells) for tower in towers.image_towers]
                for number in range(self.config.captions_per_image):
                    states, mask = (
                        part.to(self.device) for part in split.words.rows([r[number] for r in picked])
                    )
                    heard = _some_words(mask, self.config.word_dropout)
                    texts = [tower(states, heard) for tower in towers.text_towers]
                    truth = soft_targets(sentence_means(states, mask), self.config.softness)
                    for image, text in zip(images, texts, strict=True):
                        losses.append(
                            contrastive_loss(image.float(), text.float(), self.log_scale.exp(), truth)
                        )
            self.learning.update(torch.stack(losses).sum() / self.config.captions_per_image)
        self.learning.epoch += 1

    def save(self, file: Path) -> None:
        self.learning.save(file, {"log_scale": self.log_scale.detach()})

    def resume(self, file: Path) -> None:
        self.learning.resume(file, {"log_scale": self.log_scale})


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor, truth: Tensor) -> Tensor:
    """Symmetric InfoNCE over the pairs of a batch (van den Oord et al. 2018; Radford et al. 2021).

    truth: (B, B), each row the share of every caption of the batch in being right for one picture.
    """
    scores = scale * images @ texts.T
    return (functional.cross_entropy(scores, truth) + functional.cross_entropy(scores.T, truth)) / 2


def soft_targets(sentences: Tensor, softness: float, temperature: float = 0.05) -> Tensor:
    """Mostly the pair itself, for the rest captions that say nearly the same: (B, 384) -> (B, B).

    Two pictures of dogs on grass are no opposites; plain InfoNCE would have them so.
    """
    others = (sentences @ sentences.T / temperature).softmax(dim=-1)
    return (1 - softness) * torch.eye(len(sentences), device=sentences.device) + softness * others


def _some_cells(grid: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """A random part of the grid, the same for a batch: regularises and saves work (Li et al. 2023, FLIP)."""
    cells = torch.randperm(grid.shape[1])[:kept].sort().values
    return grid[:, cells.to(grid.device)], cells.to(grid.device)


def _some_words(mask: Tensor, dropout: float) -> Tensor:
    kept = mask & (torch.rand(mask.shape, device=mask.device) >= dropout)
    kept[:, 0] = True  # never an empty sentence
    return kept


def _batches(count: int, config: DualConfig, epoch: int) -> Iterator[tuple[list[int], random.Random]]:
    order = list(range(count))
    random.Random(f"{config.seed}:{epoch}").shuffle(order)
    for start in range(0, count, config.batch_size):
        yield order[start : start + config.batch_size], random.Random(f"{config.seed}:{epoch}:{start}")


def _grids(split: Split, chosen: Sequence[int], choose: random.Random) -> Tensor:
    views = list(split.grids)
    return torch.from_numpy(np.stack([split.grids[choose.choice(views)][at] for at in chosen])).float()
