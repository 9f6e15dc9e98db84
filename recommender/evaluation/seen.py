"""What the product's own models make of pictures and names, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioning.evaluation.captioner import frame_batches
from captioning.services import backbone, captioner_named
from captioning.training.dataset import CaptionedImage
from recommender.evaluation.products import Products
from search.encoding import embedder

_BATCH = 32


@dataclass(frozen=True)
class Seen:
    """Of N products: the sentence that the default captioner wrote, and unit vectors (N, D) of the picture (look), of
    that sentence (caption), and of the name that people gave (text)."""

    captions: tuple[str, ...]
    look: NDArray[np.float32]
    caption: NDArray[np.float32]
    text: NDArray[np.float32]


def seen(products: Products, cache_dir: Path) -> Seen:
    """What the active models see and read. Batches that `cache_dir` holds already are not computed again."""
    captions, look = _seen_in_pictures(products.pictures, cache_dir)
    sentences = embedder("caption")
    return Seen(
        captions, look, sentences.embed_queries(captions), sentences.embed_queries(list(products.names))
    )


def _seen_in_pictures(
    pictures: Sequence[Path], cache_dir: Path
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    captioner, dual = captioner_named(None), embedder("image")
    folder = cache_dir / _key(pictures, captioner.model_id, dual.model_id)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{start:06d}.npz" for start in range(0, len(pictures), _BATCH)]
    missing = [at for at, file in enumerate(files) if not file.is_file()]
    images = [
        CaptionedImage(picture, ()) for at in missing for picture in pictures[at * _BATCH : (at + 1) * _BATCH]
    ]
    # Only the last batch is shorter, so the missing ones stay as they would have been.
    batches = frame_batches(images, backbone(), captioner, _BATCH) if images else iter(())
    for at, frames in zip(missing, tqdm(batches, total=len(missing), desc="captions"), strict=True):
        sentences = [draft.text for draft in captioner.caption(frames)]
        scratch = files[at].with_suffix(".new.npz")
        np.savez(scratch, captions=sentences, look=dual.embed_frames(frames, sentences))
        scratch.replace(files[at])
    held = [np.load(file) for file in files]
    captions = tuple(str(text) for one in held for text in one["captions"])
    return captions, np.concatenate([one["look"] for one in held])


def _key(pictures: Sequence[Path], *models: str) -> str:
    names = [f"{picture.name}:{picture.stat().st_size}" for picture in pictures]
    return hashlib.sha256("\n".join([*models, *names]).encode()).hexdigest()[:16]
