"""Fine-tuning of the captioner, on human captions or on its own samples: read it from top to bottom."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from captioning.captioners.language_model import load_base
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.adversarial import AdversarialBatches
from captioning.training.augmentation import paraphrase_named, with_paraphrases
from captioning.training.batches import Batch, BatchSource
from captioning.training.begun import begin
from captioning.training.checkpoint import (
    Stateful,
    TrainingState,
    damaged,
    load_training_state,
    save_training_state,
)
from captioning.training.concepts import learned_hints
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import cached_features
from captioning.training.history import History
from captioning.training.model import build_model
from captioning.training.optimization import Backward, RankBudget, make_optimizer, make_schedule
from captioning.training.reviews import joined
from captioning.training.self_critical import SelfCriticalBatches
from captioning.training.stopping import StopOnSignal
from captioning.training.tracking import make_tracker
from captioning.vision.frames import Features


class Evaluation(NamedTuple):
    """How good the captions are, and those of a few pictures, always the same, by file name.

    score: by which the epoch that is kept is chosen. figures: what else was measured, by name.
    """

    score: float
    shown: Mapping[str, str]
    figures: Mapping[str, float] = {}


#: Where the batches of each objective come from.
_SOURCES: dict[str, type[BatchSource]] = {
    "cross_entropy": BatchSource,
    "cider": SelfCriticalBatches,
    "adversarial": AdversarialBatches,
}
Evaluate = Callable[[VisualLanguageModel, int], Evaluation]
#: Told of steps done and steps in all.
Told = Callable[[int, int], None]
#: Steps between two points of the curves.
_MEASURE_EVERY = 10


@dataclass
class Progress:
    """Where a run stands."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    best_epoch: int = 0
    finished: bool = False


def finetune(
    dataset: CaptionDataset,
    config: FinetuneConfig,
    run_dir: Path,
    cache_dir: Path,
    evaluate: Evaluate | None = None,
    reviews: Sequence[CaptionedImage] = (),
    told: Told | None = None,
) -> Progress:
    """Train until the epochs are done or Ctrl-C, which leaves a checkpoint that the next call resumes from.

    `evaluate(model, epoch)` is called after each epoch, and before the first of a run that starts from a
    checkpoint, with the running mean of the weights (Polyak & Juditsky 1992), which is steadier than the last step
    of a noisy objective; that of the best score is kept in run_dir/best, of the last epoch where nothing evaluates or
    the objective is adversarial. reviews: pictures to be drawn from, too, as `config.review_share` says; the same ones
    when a run goes on. told: called after each step. InvalidInput where the run in run_dir began with other values or
    data, or its files are damaged.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    begin(run_dir, config, dataset, reviews)
    images = (*dataset.split("train"), *reviews)
    views = {
        view: _features(dataset.split("train"), reviews, cache_dir / "features", view, config)
        for view in config.views
    }
    model = build_model(config, cache_dir)
    hints = learned_hints(model, images, views, config, anew=bool(reviews))
    if config.paraphrase and config.objective == "cross_entropy":  # rewards are for what people said
        paraphrase = paraphrase_named(
            config.paraphrase, lambda: load_base(config.base, cache_dir), config.seed
        )
        images = with_paraphrases(images, paraphrase, run_dir / "paraphrases.json")
    source = _SOURCES[config.objective](images, views, hints, model, config, len(reviews))
    run = _Run(model, config, run_dir, source.learners, total_steps=len(source) * config.epochs, told=told)
    progress = run.resume()
    with StopOnSignal() as stop, run:
        if evaluate and config.start_from and progress.step == 0:
            run.keep_if_best(evaluate)
        while progress.epoch < config.epochs and not run.is_out_of_patience:
            run.epoch(source, stop)
            if stop.requested:
                run.save()
                return progress
            run.keep_if_best(evaluate)
            run.save()
    progress.finished = True
    run.save()
    return progress


def _features(
    images: Sequence[CaptionedImage],
    reviews: Sequence[CaptionedImage],
    folder: Path,
    view: str,
    config: FinetuneConfig,
) -> Features:
    """Of the base first: kept by itself, it is not computed anew for every few reviews more."""
    trunk = config.architecture.backbone == "last_stage"
    of_base, *of_reviews = (
        cached_features([image.path for image in each], folder, view=view, trunk=trunk)
        for each in (images, reviews)
        if each
    )
    return joined(of_base, *of_reviews) if of_reviews else of_base


def loss_of(model: VisualLanguageModel, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Mean of the weighed cross-entropies of the caption tokens, in nats."""
    device = model.projector.place.device
    visual = model.visual_tokens(batch.seen.to(device))
    embeds = torch.cat([visual.to(model.lm.dtype), model.embed_text(batch.ids.to(device))], dim=1)
    hidden = model.hidden_states(embeds, batch.mask.to(device), batch.positions.to(device))
    logits = model.lm.get_output_embeddings()(hidden[batch.rows.to(device), batch.sources.to(device)])
    losses = functional.cross_entropy(
        logits.float(), batch.targets.to(device), label_smoothing=label_smoothing, reduction="none"
    )
    return (losses * batch.weights.to(device)).mean()


class _Run:
    """What a step changes, and how it is saved."""

    def __init__(
        self,
        model: VisualLanguageModel,
        config: FinetuneConfig,
        run_dir: Path,
        learners: Mapping[str, Stateful],
        *,
        total_steps: int,
        told: Told | None = None,
    ) -> None:
        self.model = model
        self.total_steps, self.told = total_steps, told
        self.config = config
        self.run_dir = run_dir
        self.learners = learners
        self.progress = Progress()
        self.average = {name: weight.clone() for name, weight in model.trained_state().items()}
        self.optimizer = make_optimizer(model, config)
        self.schedule = make_schedule(self.optimizer, config, total_steps)
        adaptive = config.architecture.method == "adalora"
        self.ranks = RankBudget(model, total_steps) if adaptive else None
        self.backward = Backward(model, lambda model, batch: loss_of(model, batch, config.label_smoothing))

    def resume(self) -> Progress:
        """Go on where the run in this folder stands, if there is one."""
        if state := load_training_state(self.run_dir):
            if state.held is None:
                raise damaged(self.run_dir, "the state of the optimizer is gone")
            state.restore(self.model, self._movers, self.average)
            self.progress = Progress(**state.progress)
        return self.progress

    def __enter__(self) -> Self:
        self.history = History(self.run_dir, step=self.progress.step)
        self.tracker = make_tracker(self.config, self.run_dir, step=self.progress.step)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.tracker.close()

    def epoch(self, source: BatchSource, stop: StopOnSignal) -> None:
        self.model.train()
        saved_at, smooth = time.monotonic(), None
        done = self.progress.step_in_epoch
        with tqdm(
            total=len(source), initial=done, desc=f"epoch {self.progress.epoch + 1}", mininterval=5
        ) as bar:
            for batches in source.epoch(self.progress.epoch, skip=done):
                loss = self._step(batches)
                smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
                bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)
                if self.progress.step % _MEASURE_EVERY == 0:
                    rate = float(self.schedule.get_last_lr()[0])
                    self._measured(loss=smooth, learning_rate=rate, **source.figures)
                bar.update()
                if self.told:
                    self.told(self.progress.step, self.total_steps)
                if stop.requested:
                    return
                if time.monotonic() - saved_at > self.config.checkpoint_every_s:
                    self.save()
                    saved_at = time.monotonic()
        self.progress.epoch += 1
        self.progress.step_in_epoch = 0

    def _step(self, batches: list[Batch]) -> float:
        loss = self.backward(batches)
        if self.ranks:
            self.ranks.regularize()
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self.config.gradient_clip)
        self.optimizer.step()
        self.schedule.step()
        if self.ranks:
            self.ranks.allocate(self.progress.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.step_in_epoch += 1
        kept = min(self.config.ema, self.progress.step / (self.progress.step + 10))
        for name, weight in self.model.trained_state().items():
            self.average[name].lerp_(weight, 1 - kept)
        return loss

    def keep_if_best(self, evaluate: Evaluate | None) -> None:
        with self._averaged():
            epoch = self.progress.epoch
            score, shown, figures = evaluate(self.model, epoch) if evaluate else Evaluation(float(epoch), {})
            if evaluate:
                self._measured(score=score, **figures)
                for name, caption in shown.items():
                    tqdm.write(f"  {name}: {caption}")
                self.tracker.wrote(self.progress.step, shown)
            self.history.draw()
            # A discriminator leads away from CIDEr: of its run the last epoch is kept.
            if score > self.progress.best_score or self.config.objective == "adversarial":
                self.progress.best_score = score
                self.progress.best_epoch = epoch
                state = TrainingState.weights_only(self.model, vars(self.progress))
                save_training_state(self.run_dir / "best", state)

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the last epochs brought nothing better, and the configuration says when that is enough."""
        patience = self.config.patience
        return patience is not None and self.progress.epoch - self.progress.best_epoch >= patience

    def _measured(self, **values: float) -> None:
        self.history.add(self.progress.step, **values)
        self.tracker.measured(self.progress.step, values)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        here = {name: weight.clone() for name, weight in self.model.trained_state().items()}
        self.model.load_trained_state(self.average)
        try:
            yield
        finally:
            self.model.load_trained_state(here)

    def save(self) -> None:
        state = TrainingState.capture(self.model, self._movers, self.average, vars(self.progress))
        save_training_state(self.run_dir, state)

    @property
    def _movers(self) -> dict[str, Stateful]:
        movers: dict[str, Stateful] = {"optimizer": self.optimizer, "schedule": self.schedule}
        return movers | ({"ranks": self.ranks} if self.ranks else {}) | dict(self.learners)
