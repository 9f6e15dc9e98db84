"""A whole fine-tuning: train, choose the epoch by CIDEr on dev, leave a checkpoint that serves."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from captioning.captioners.checkpoint import Manifest, read_manifest, save_checkpoint
from captioning.captioners.confidence import CONFIDENCE
from captioning.captioners.styles import NORMAL, decoded_in
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.captioners.writing import write
from captioning.evaluation.metrics import score_captions
from captioning.training.alone import alone_in
from captioning.training.checkpoint import load_training_state
from captioning.training.concepts import concept_vocabulary
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import cached_features
from captioning.training.loop import Evaluate, Evaluation, Told, finetune
from captioning.training.pictures import pictures_for
from captioning.training.reviews import score_of_both, train_images
from captioning.training.styles import in_style
from captioning.vision.frames import Features
from core.devices import flushed_denormals, keep_large_blocks

#: How captions are decoded unless somebody says otherwise; arguments of `generate`, and how much concepts and judge
#: count, which was chosen on calib.
DECODING = {
    "num_beams": 5,
    "max_new_tokens": 24,
    "do_sample": False,
    "concept_agreement": 0.1,
    "match_weight": 20.0,
}
#: What lies beside weights and was measured of them.
_MEASURED = (CONFIDENCE, "metrics.json")
_SHOWN = 4
_BATCH = 50


def finetune_and_export(
    dataset: CaptionDataset,
    config: FinetuneConfig,
    run_dir: Path,
    cache_dir: Path,
    output: Path,
    reviews: CaptionDataset | None = None,
    told: Told | None = None,
) -> Manifest | None:
    """Train (or go on training) in `run_dir` and write the best weights to `output`; None if it was interrupted.

    reviews: captions that people reviewed, to be trained on with the rest. told: called with steps done and in all.
    Conflict where another process trains in `run_dir`.
    """
    output.mkdir(parents=True, exist_ok=True)  # now rather than after hours: there may be a file of that name
    keep_large_blocks()
    reviewed = train_images(reviews)
    config = config.resolved(concept_vocabulary((*dataset.split("train"), *reviewed)))
    evaluate = dev_cider(dataset.split("dev"), config, cache_dir) if "dev" in dataset.splits else None
    if evaluate and reviews and "dev" in reviews.splits:
        evaluate = of_both(evaluate, reviews.split("dev"), config, cache_dir)
    with alone_in(run_dir), flushed_denormals():
        progress = finetune(dataset, config, run_dir, cache_dir, evaluate, reviewed, told)
    if not progress.finished:
        return None
    state = load_training_state(run_dir / "best") or load_training_state(run_dir)
    assert state is not None
    start = read_manifest(Path(config.start_from)) if config.start_from else None
    # What gains styles stays the captioner that it was: in its id, and in what was measured of it.
    same = start is not None and config.trains == "styles"
    manifest = save_checkpoint(
        output,
        state.weights,
        base=config.base,
        architecture=config.architecture,
        decoding=start.decoding if start and same else DECODING,
        name=start.name if start else "",
    )
    for name in _MEASURED if same else ():
        if (Path(config.start_from) / name).is_file():
            shutil.copyfile(Path(config.start_from) / name, output / name)
    return manifest


def dev_cider(images: Sequence[CaptionedImage], config: FinetuneConfig, cache_dir: Path) -> Evaluate:
    """Greedy captions of an even sample of dev, scored by CIDEr (simple tokenizer: fast, and good enough to choose).

    Where styles are trained: the mean over them, each held against the captions that show it.
    """
    kind = config.architecture.backbone
    paths = [image.path for image in images]
    features = cached_features(paths, cache_dir / "features", trunk=kind == "last_stage")
    pictures = pictures_for(kind, paths, {"plain": features})
    count = min(config.evaluation_images, len(images))
    sample = [at * len(images) // count for at in range(count)]
    chosen = Features(features.grid[sample], features.logits[sample])

    def evaluate(model: VisualLanguageModel, epoch: int) -> Evaluation:
        model.eval()
        device = model.projector.place.device
        hints = model.hints(chosen.logits, model.concept_scores(chosen))
        known = [images[at].context for at in sample] if config.architecture.reads_context else []
        scores, shown = [], {}
        for style in config.styles:
            decoding = decoded_in(style, {"max_new_tokens": 24, "do_sample": False})
            captions: list[str] = []
            for start in range(0, len(sample), _BATCH):
                rows = slice(start, start + _BATCH)
                seen = pictures.read([(at, "plain") for at in sample[rows]]).to(device)
                captions += write(model, seen, hints[rows], style=style, contexts=known[rows], **decoding)[0]
            truth = [in_style(images[at].captions, style) for at in sample]
            scores.append(score_captions(captions, truth, tokenizer="simple")["cider"] or 0.0)
            tqdm.write(f"epoch {epoch}: CIDEr {scores[-1]:.3f} on {len(sample)} dev images, {style} captions")
            named = "" if style == NORMAL else f" ({style})"
            for at, caption in list(zip(sample, captions, strict=True))[:_SHOWN]:
                shown[images[at].path.name + named] = caption
        return Evaluation(sum(scores) / len(scores), shown)

    return evaluate


def of_both(
    of_base: Evaluate, reviewed: Sequence[CaptionedImage], config: FinetuneConfig, cache_dir: Path
) -> Evaluate:
    """The base's evaluation, and the same of reviewed pictures; `score_of_both` says what of it chooses the epoch."""
    of_reviews = dev_cider(reviewed, config, cache_dir)

    def evaluate(model: VisualLanguageModel, epoch: int) -> Evaluation:
        base, reviews = of_base(model, epoch), of_reviews(model, epoch)
        score = score_of_both(base.score, reviews.score, len(reviewed))
        figures = {"base_cider": base.score, "reviews_cider": reviews.score}
        return Evaluation(score, {**base.shown, **reviews.shown}, figures)

    return evaluate
