"""Training of the dual encoder on cached features: minutes on two CPU cores."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from captioning.training.dataset import CaptionDataset
from captioning.training.features import VIEWS
from captioning.training.stopping import StopOnSignal
from captioning.vision.backbone import GRID_SIDE
from core.devices import best_device, inference_dtype
from search.embedders import minilm
from search.embedders.dual import load_towers, save_towers
from search.embedders.looks import LOOKS
from search.embedders.minilm import Read, sentence_means
from search.embedders.towers import DualTowers, TowerShape
from search.embedders.tuned_text import Heard
from search.training.averaged import AveragedTraining, Pace
from search.training.recall import mean_recall, recall_at
from search.training.splits import Split, TokenStates, read_split

STATE = "state.pt"
_TEXT_LAYERS = 2


@dataclass(frozen=True)
class DualConfig:
    """Configuration of one run; saved beside its weights.

    start_from: a folder with towers to go on from. backbone_learning_rate, text_learning_rate: of a last stage, and of
    last layers of the sentence encoder, of their own.
    """

    shape: TowerShape = field(default_factory=lambda: TowerShape(looks=LOOKS))
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
    start_from: str = ""
    backbone_learning_rate: float = 1e-4
    backbone_weight_decay: float = 0.01
    text_learning_rate: float = 1e-4
    text_weight_decay: float = 0.01
    #: By what cosines are multiplied before the softmax, until it is learned.
    first_scale: float = 20.0
    seed: int = 0
    device: str = "auto"

    @classmethod
    def with_last_stage(cls, start_from: Path) -> "DualConfig":
        """To go on from trained towers with a last stage of the backbone, and of the sentence encoder, of their own.

        ModelUnavailable where there are no towers.
        """
        manifest, _ = load_towers(start_from)
        return cls(
            shape=replace(
                TowerShape(**manifest["shape"]), backbone="last_stage", text_layers=_TEXT_LAYERS, looks=LOOKS
            ),
            views=tuple(view for view in VIEWS if view != "colour"),
            epochs=8,
            learning_rate=2e-4,
            warmup_steps=20,
            kept_cells=GRID_SIDE**2,
            word_dropout=0.05,
            softness=0.0,
            first_scale=30.0,
            start_from=str(start_from),
        )

    @property
    def reads_trunk(self) -> bool:
        """Whether pictures are read before the backbone's last stage."""
        return self.shape.backbone != "frozen"


def train(dataset: CaptionDataset, config: DualConfig, run_dir: Path, cache_dir: Path) -> dict[str, float]:
    """Train on the split train, choose the epoch by mean recall on calib, leave the towers in run_dir/best.

    Returns the best figures on calib (on dev where there is no calib): r1, r5, r10, mrr. Ctrl-C leaves a state
    that the next call resumes.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.json").write_text(json.dumps(asdict(config), indent=2))
    device = best_device(config.device)
    chosen_by = "calib" if "calib" in dataset.splits else "dev"
    read = partial(
        read_split, cache_dir=cache_dir, trunk=config.reads_trunk, text_layers=config.shape.text_layers
    )
    learn, check = read(dataset.split("train"), config.views), read(dataset.split(chosen_by), ("plain",))
    towers = _towers_to_train(config, learn.words)
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


@torch.no_grad()
def fill_querybank(towers: DualTowers, words: TokenStates, device: torch.device, batch: int = 500) -> None:
    """Captions for the bank, evenly over the split; of a small split some come twice."""
    towers.eval()
    size, count = towers.querybank.size, len(words.lengths)
    rows = [at * count // size for at in range(size)]
    parts = [words.rows(rows[at : at + batch]) for at in range(0, size, batch)]
    towers.querybank.build(torch.cat([towers.joint_texts(*_heard(towers, part, device)) for part in parts]))


@torch.inference_mode()
def evaluate(towers: DualTowers, split: Split, device: torch.device) -> dict[str, float]:
    """Text-to-image recall: every caption is a query, the pool is every image of the split, looked at once."""
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
            towers.texts(*_heard(towers, split.words.rows(range(at, min(at + 500, count))), device))
            for at in range(0, count, 500)
        ]
    )
    owners = torch.tensor([image for image, rows in enumerate(split.captions) for _ in rows])
    return recall_at((texts @ images.T).cpu().numpy(), owners.numpy())


def _heard(towers: DualTowers, read: Read, device: torch.device) -> Heard:
    """Texts as the towers read them."""
    states, mask, before = (part.to(device) for part in read)
    return Heard(states, mask, towers.hear(before, mask))


def _towers_to_train(config: DualConfig, words: TokenStates) -> DualTowers:
    """Those to go on from, or new ones with class names in the space of these captions."""
    torch.manual_seed(config.seed)
    towers = DualTowers(config.shape)
    if config.start_from:
        _, start = load_towers(Path(config.start_from))
        towers.load_state_dict(start.state_dict(), strict=False)  # a last stage may be all that is missing
    else:
        towers.zero_shot.build(minilm.shared(), words.center())
    return towers


class _Run:
    def __init__(
        self, towers: DualTowers, config: DualConfig, device: torch.device, steps_per_epoch: int
    ) -> None:
        self.config, self.device = config, device
        towers = towers.to(device)
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.first_scale), device=device))
        own = [] if towers.last_stage is None else list(towers.last_stage.parameters())
        heard = [] if towers.tuned_text is None else list(towers.tuned_text.parameters())
        tuned = {id(weight) for weight in (*own, *heard)}
        others = [weight for weight in towers.parameters() if id(weight) not in tuned]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": [self.log_scale], "weight_decay": 0.0},
            {
                "params": own,
                "weight_decay": config.backbone_weight_decay,
                "share": config.backbone_learning_rate / config.learning_rate,
            },
            {
                "params": heard,
                "weight_decay": config.text_weight_decay,
                "share": config.text_learning_rate / config.learning_rate,
            },
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
            seen = _seen(split, chosen, choose).to(self.device)
            picked = [choose.sample(split.captions[at], self.config.captions_per_image) for at in chosen]
            losses = []
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
                cells = _some_cells(towers.grid(seen), self.config.kept_cells)
                images = [tower(*cells) for tower in towers.image_towers]
                for number in range(self.config.captions_per_image):
                    states, mask, before = (
                        part.to(self.device) for part in split.words.rows([r[number] for r in picked])
                    )
                    kept = some_words(mask, self.config.word_dropout)
                    heard = towers.hear(before, kept)
                    texts = [tower(heard, kept) for tower in towers.text_towers]
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


def some_words(mask: Tensor, dropout: float) -> Tensor:
    """The mask (N, T) without this share of its tokens."""
    kept = mask & (torch.rand(mask.shape, device=mask.device) >= dropout)
    kept[:, 0] = True  # never an empty sentence
    return kept


def _batches(count: int, config: DualConfig, epoch: int) -> Iterator[tuple[list[int], random.Random]]:
    order = list(range(count))
    random.Random(f"{config.seed}:{epoch}").shuffle(order)
    for start in range(0, count, config.batch_size):
        yield order[start : start + config.batch_size], random.Random(f"{config.seed}:{epoch}:{start}")


def _seen(split: Split, chosen: Sequence[int], choose: random.Random) -> Tensor:
    """Of each picture one of its views."""
    views = list(split.seen)
    return torch.from_numpy(np.stack([split.seen[choose.choice(views)][at] for at in chosen])).float()
