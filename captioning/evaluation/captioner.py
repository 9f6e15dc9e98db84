"""Caption a split and compare with what people wrote."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioning.alt_text import MAX_CHARS
from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.decoding import spoken
from captioning.captioners.styles import LEARNED, NORMAL, checked_style
from captioning.evaluation.comparison import wording
from captioning.evaluation.metrics import best_tokenizer, cider_of_each, score_captions
from captioning.training.dataset import CaptionedImage
from captioning.training.styles import in_style, is_present_and_active
from captioning.vision.frames import FrameBatch
from captioning.vision.picture_files import read_picture
from captioning.vision.pixels import DECODED_PX, fitted_pixels, square_pixels

_BATCH = 32


@dataclass(frozen=True)
class Captioned:
    """What a captioner made of N pictures, and how long it took from file to sentence."""

    drafts: tuple[CaptionDraft, ...]
    seconds: float


def caption_images(
    images: Sequence[CaptionedImage], backbone: Any, captioner: Captioner, style: str = NORMAL
) -> Captioned:
    """Caption pictures in batches, decoding ahead of the model. InvalidInput names the styles that it knows."""
    checked_style(style, captioner.styles)
    drafts: list[CaptionDraft] = []
    started = time.perf_counter()
    batches = frame_batches(images, backbone, captioner, _BATCH)
    for frames in tqdm(batches, total=-(-len(images) // _BATCH), desc="captions"):
        drafts += captioner.caption(frames, style)
    return Captioned(tuple(drafts), time.perf_counter() - started)


def frame_batches(
    images: Sequence[CaptionedImage], backbone: Any, captioner: Captioner, batch: int
) -> Iterator[FrameBatch]:
    """Decoded pictures with what this captioner reads of them, `batch` at a time; the next are decoded meanwhile."""
    picture_px = getattr(captioner, "picture_px", None)
    starts = range(0, len(images), batch)

    def decoded(start: int) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
        squares, pictures = zip(
            *(_pixels(image.path, picture_px) for image in images[start : start + batch]), strict=True
        )
        return np.stack(squares), [picture for picture in pictures if picture is not None]

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(decoded, 0) if images else None
        for start in starts:
            assert coming is not None
            pixels, pictures = coming.result()
            coming = ahead.submit(decoded, start + batch) if start + batch < len(images) else None
            contexts = [image.context for image in images[start : start + batch]]
            yield FrameBatch(pixels, backbone.encode(pixels), pictures, contexts)


def report(
    captioner: Captioner,
    images: Sequence[CaptionedImage],
    captioned: Captioned,
    *,
    split: str,
    limit: int | None = None,
) -> dict[str, Any]:
    """The one JSON object of `manage.py evaluate_captioner`. The images are those of a split, or its first `limit`."""
    tokenizer = best_tokenizer()
    texts = [draft.text for draft in captioned.drafts]
    scores = score_captions(texts, [image.captions for image in images], tokenizer=tokenizer)
    styles = {draft.style for draft in captioned.drafts}
    return {
        "captioner": captioner.model_id,
        "split": split,
        "limit": limit,
        "n_images": len(images),
        **{name: value if value is None else round(value, 4) for name, value in scores.items()},
        "images_per_s": round(len(images) / captioned.seconds, 2),
        "decoding": spoken(getattr(captioner, "decoding", {})),
        "tokenizer": tokenizer,
        "distinct_captions": len(set(texts)),
        "vocabulary": wording(texts)["vocabulary"],
        "style": ", ".join(sorted(styles)),
        **_told(texts, images, tokenizer),
    }


def _told(texts: Sequence[str], images: Sequence[CaptionedImage], tokenizer: str) -> dict[str, float]:
    """How captions are told, and how near they are to the human captions that show a style."""
    count = max(1, len(texts))
    figures = {
        "words": sum(len(text.split()) for text in texts) / count,
        "chars": sum(map(len, texts)) / count,
        "fit_alt_text": sum(len(text) <= MAX_CHARS for text in texts) / count,
        "present_and_active": sum(map(is_present_and_active, texts)) / count,
    }
    for style in LEARNED:
        shown = [in_style(image.captions, style) for image in images]
        figures[f"cider_{style}"] = float(cider_of_each(texts, shown, tokenizer=tokenizer).mean())
    return {name: round(value, 4) for name, value in figures.items()}


def _pixels(path: Path, picture_px: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    image = read_picture(path, at_least_px=max(DECODED_PX, picture_px or 0))
    return square_pixels(image), fitted_pixels(image, picture_px) if picture_px else None
