"""Training of the Chinese encoder: half an hour on two CPU cores, once E5 has read everything.

Three teachers at once. Translations: what the English encoder, and the text towers behind it, say of the English
sentence (Reimers & Gurevych 2020). Pictures: a sentence that somebody wrote in Chinese belongs to its picture and to no
other of the batch. A dictionary: words that no caption of the training set holds.
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from captioning.training.stopping import StopOnSignal
from core.devices import best_device, inference_dtype
from search.embedders.chinese import ChineseShape, Translator, load_network, save_network
from search.embedders.dual import DualEncoder
from search.embedders.minilm import sentence_means
from search.embedders.towers import DualTowers
from search.training.averaged import AveragedTraining, Pace
from search.training.chinese_lessons import Corpus, Lesson, prepared
from search.training.dual import contrastive_loss, some_words
from search.training.recall import mean_recall, recall_at
from search.training.splits import TokenStates

STATE = "state.pt"
_AT_ONCE = 64


@dataclass(frozen=True)
class ChineseConfig:
    """Configuration of one run; saved beside its weights.

    start_from: an encoder to go on from. batch_size: of sentences about pictures. translations, dictionary:
    how many of these beside. reader_share: of the learning rate, for the changes of E5's layers. word_dropout: of the
    tokens of sentences. likeness: how much being like the teachers counts beside finding the picture. scale: of the
    cosines, the inverse temperature.
    """

    shape: ChineseShape = field(default_factory=lambda: ChineseShape(tuned_layers=6))
    start_from: str = ""
    epochs: int = 8
    batch_size: int = 256
    translations: int = 128
    dictionary: int = 64
    reader_share: float = 2.0
    word_dropout: float = 0.1
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    ema: float = 0.995
    likeness: float = 2.0
    scale: float = 20.0
    seed: int = 0
    device: str = "auto"

    @classmethod
    def going_on(cls, start_from: Path) -> "ChineseConfig":
        """More carefully, from a trained encoder, whose shape may lack the tuned layers."""
        return cls(start_from=str(start_from), epochs=6, learning_rate=6e-4, warmup_steps=40)


def train(corpus: Corpus, config: ChineseConfig, run_dir: Path) -> dict[str, float]:
    """Train on the split train, choose the epoch by mean recall on calib, leave the network in run_dir/best.

    Returns the best figures: recall of calib's pictures by the sentences that Chinese people wrote of them. Ctrl-C
    leaves a state that the next call resumes.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.json").write_text(json.dumps(asdict(config), indent=2))
    encoder = DualEncoder(device=config.device)
    lesson = prepared(corpus, encoder, run_dir, config.shape.tuned_layers)
    run = _Run(lesson, config, encoder.towers.requires_grad_(requires_grad=False))
    learning = run.learning
    learning.resume(run_dir / STATE)
    with StopOnSignal() as stop:
        while learning.epoch < config.epochs:
            run.train_epoch()
            figures = run.evaluate()
            if mean_recall(figures) > mean_recall(learning.best):
                learning.best = figures
                save_network(run_dir / "best", learning.average, config.shape)
            learning.save(run_dir / STATE)
            tqdm.write(
                f"epoch {learning.epoch}: "
                + ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
            )
            if stop.requested:
                tqdm.write(f"Stopped; state in {run_dir}. The same command goes on from it.")
                break
    return learning.best


class _Run:
    """Batches of the lesson, and what is learned from them."""

    def __init__(self, lesson: Lesson, config: ChineseConfig, towers: DualTowers) -> None:
        self.lesson, self.config = lesson, config
        self.device = best_device(config.device)
        self.dtype = inference_dtype(self.device)
        self.towers = towers.to(self.device)
        torch.manual_seed(config.seed)
        network = network_to_train(config).to(self.device)
        changes = [] if network.reader is None else list(network.reader.changes.parameters())
        tuned = {id(weight) for weight in changes}
        others = [one for one in network.parameters() if one.requires_grad and id(one) not in tuned]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": changes, "share": config.reader_share}]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
        total = math.ceil(len(lesson.spoken.pictures) / config.batch_size) * config.epochs
        pace = Pace(config.learning_rate, config.warmup_steps, total, config.ema, clip=1.0)
        self.learning = AveragedTraining(network, optimizer, pace)

    def train_epoch(self) -> None:
        self.learning.network.train()
        number = self.learning.epoch
        batches = list(self._batches(random.Random(f"{self.config.seed}:{number}")))
        for spoken, translated, words in tqdm(batches, desc=f"epoch {number + 1}", leave=False):
            self.learning.update(self._loss(spoken, translated, words))
        self.learning.epoch += 1

    def _batches(self, choose: random.Random) -> Iterator[tuple[list[int], list[int], list[int]]]:
        spoken, translated, listed = (
            list(range(len(rows)))
            for rows in (self.lesson.spoken.pictures, self.lesson.translations.joint, self.lesson.words.joint)
        )
        choose.shuffle(spoken)
        choose.shuffle(translated)
        size, beside = self.config.batch_size, self.config.translations
        for number, start in enumerate(range(0, len(spoken), size)):
            words = choose.sample(listed, min(self.config.dictionary, len(listed)))
            yield spoken[start : start + size], translated[number * beside :][:beside], words

    def _loss(self, spoken: list[int], translated: list[int], words: list[int]) -> Tensor:
        rows = self.lesson.spoken.pictures[spoken]
        dropout = self.config.word_dropout
        joint, _ = self._vectors(self.lesson.spoken.read, spoken, dropout)
        pictures = self.lesson.pictures[rows].to(self.device)
        scale = torch.tensor(self.config.scale, device=self.device)
        loss = contrastive_loss(pictures, joint, scale, truth_of(rows).to(self.device))
        taught = ((self.lesson.translations, translated, dropout), (self.lesson.words, words, 0.0))
        for teacher, chosen, dropout in taught:
            if chosen:
                joint, sentence = self._vectors(teacher.read, chosen, dropout)
                unlike = 2.0 - (sentence * teacher.sentence[chosen].to(self.device)).sum(dim=1)
                unlike = unlike - (joint * teacher.joint[chosen].to(self.device)).sum(dim=1)
                loss = loss + self.config.likeness * unlike.mean()
        return loss

    def _vectors(self, read: TokenStates, chosen: Sequence[int], dropout: float) -> tuple[Tensor, Tensor]:
        """What the text towers, and the mean over the tokens, make of N sentences: both of unit length."""
        order = read.lengths[list(chosen)].argsort()
        joint, sentence = [], []
        # Those of like length together: padded to the longest of all, a third of a batch would be padding.
        for part in order.split(_AT_ONCE):
            states, mask = self._translated(
                self.learning.network, read, [chosen[at] for at in part.tolist()], dropout
            )
            joint.append(self.towers.joint_texts(states, mask))
            sentence.append(sentence_means(states, mask))
        back = order.argsort()
        return torch.cat(joint)[back], torch.cat(sentence)[back]

    def _translated(
        self, network: nn.Module, read: TokenStates, chosen: Sequence[int], dropout: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        states, mask, _ = (part.to(self.device) for part in read.rows(chosen))
        heard = some_words(mask, dropout) if dropout else mask
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            translated = network(states, heard)
        return translated.float(), heard

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Recall of the pictures of calib by the sentences that Chinese people wrote of them."""
        average, check = self.learning.average.eval(), self.lesson.check
        count = len(check.pictures)
        asked = [
            self.towers.texts(*self._translated(average, check.read, range(at, min(at + 500, count)))).cpu()
            for at in range(0, count, 500)
        ]
        return recall_at((torch.cat(asked) @ self.lesson.check_pictures.T).numpy(), check.pictures.numpy())


def network_to_train(config: ChineseConfig) -> Translator:
    """A new one, or one with the weights to go on from. ModelUnavailable where there are none. What is E5's stays."""
    network = Translator(config.shape)
    if config.start_from:
        _, start = load_network(Path(config.start_from))
        network.load_state_dict(start.state_dict(), strict=False)  # tuned layers may be all that is missing
    return network


def truth_of(pictures: Tensor) -> Tensor:
    """Pictures of B sentences by number, (B,): the share of each picture in being a sentence's own, (B, B).

    Sentences of one picture share it, each row sums to one.
    """
    same = (pictures[:, None] == pictures[None]).float()
    return same / same.sum(dim=1, keepdim=True)
