"""A whole fine-tuning: train, choose the epoch by CIDEr on dev, leave a checkpoint that serves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from captioning.captioners.checkpoint import Manifest, read_manifest, save_checkpoint
from captioning.captioners.styles import NORMAL, decoded_in
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.evaluation.metrics import score_captions
from captioning.training.checkpoint import load_training_state
from captioning.training.concepts import concept_vocabulary
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import cached_features
from captioning.training.loop import Evaluate, Evaluation, finetune
from captioning.training.styles import in_style
from captioning.vision.frames import Features
from core.devices import flushed_denormals, keep_large_blocks

#: How captions are decoded unless somebody says otherwise; arguments of `generate`. The agreement is chosen on calib.
DECODING = {"num_beams": 3, "max_new_tokens": 24, "do_sample": False, "concept_agreement": 0.1}
_SHOWN = 4


def finetune_and_export(
    dataset: CaptionDataset, config: FinetuneConfig, run_dir: Path, cache_dir: Path, output: Path
) -> Manifest | None:
    """Train (or go on training) in `run_dir` and write the best weights to `output`; None if it was interrupted."""
    keep_large_blocks()
    config = config.resolved(concept_vocabulary(dataset.split("train")))
    evaluate = dev_cider(dataset.split("dev"), config, cache_dir) if "dev" in dataset.splits else None
    with flushed_denormals():
        progress = finetune(dataset, config, run_dir, cache_dir, evaluate)
    if not progress.finished:
        return None
    state = load_training_state(run_dir / "best") or load_training_state(run_dir)
    assert state is not None
    # What gains styles stays the captioner that it was, in its id too.
    decoding = read_manifest(Path(config.start_from)).decoding if config.trains == "styles" else DECODING
    return save_checkpoint(
        output, state.weights, base=config.base, architecture=config.architecture, decoding=decoding
    )


def dev_cider(images: Sequence[CaptionedImage], config: FinetuneConfig, cache_dir: Path) -> Evaluate:
    """Greedy captions of an even sample of dev, scored by CIDEr (simple tokenizer: fast, and good enough to choose).

    Where styles are trained: the mean over them, each held against the captions that show it.
    """
    features = cached_features([image.path for image in images], cache_dir / "features")
    stride = max(1, len(images) // config.evaluation_images)
    sample = list(range(0, len(images), stride))

    def evaluate(model: VisualLanguageModel, epoch: int) -> Evaluation:
        model.eval()
        chosen = Features(features.grid[sample], features.logits[sample])
        scores, shown = [], {}
        for style in config.styles:
            captions = greedy_captions(model, chosen, style=style)
            truth = [in_style(images[at].captions, style) for at in sample]
            scores.append(score_captions(captions, truth, tokenizer="simple")["cider"] or 0.0)
            tqdm.write(f"epoch {epoch}: CIDEr {scores[-1]:.3f} on {len(sample)} dev images, {style} captions")
            named = "" if style == NORMAL else f" ({style})"
            for at, caption in list(zip(sample, captions, strict=True))[:_SHOWN]:
                shown[images[at].path.name + named] = caption
        return Evaluation(sum(scores) / len(scores), shown)

    return evaluate


def greedy_captions(
    model: VisualLanguageModel, features: Features, batch: int = 50, style: str = NORMAL
) -> list[str]:
    """The quickest captions of N pictures."""
    decoding = decoded_in(style, {"max_new_tokens": 24, "do_sample": False})
    device = model.projector.place.device
    hints = model.hints(features.logits, model.concept_scores(features))
    captions: list[str] = []
    for start in range(0, len(features), batch):
        grid = torch.from_numpy(np.asarray(features.grid[start : start + batch])).float().to(device)
        captions += model.generate(grid, hints[start : start + batch], style=style, **decoding)[0]
    return captions
