"""What the product's own models make of pictures and names, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioning.active import checkpoint_dir
from captioning.captioners.base import Captioner
from captioning.captioners.confidence import fitted_for
from captioning.evaluation.captioner import frame_batches
from captioning.screening import Thresholds, doubts
from captioning.services import backbone, captioner_named
from captioning.training.dataset import CaptionedImage
from captioning.vision.frames import FrameBatch
from captioning.vision.texture import textures
from recommender.evaluation.products import Products
from search.embedders.base import Embedder
from search.encoding import configured_embedder

_BATCH = 32


@dataclass(frozen=True)
class Seen:
    """Of N products: the sentence that the default captioner wrote, and whether the screen lets it through (N,); unit
    vectors (N, D) of the picture (look, texture), of all that the captioner said of it (caption), and of the name that
    people gave (text).
    """

    captions: tuple[str, ...]
    believed: NDArray[np.bool_]
    look: NDArray[np.float32]
    texture: NDArray[np.float32]
    caption: NDArray[np.float32]
    text: NDArray[np.float32]


def seen(products: Products, cache_dir: Path) -> Seen:
    """What the models of the settings see and read. Batches that `cache_dir` holds already are not computed again."""
    sentences = configured_embedder("caption")
    held, model_id = _seen_in_pictures(products.pictures, sentences, cache_dir)
    thresholds = _screen_of(model_id)
    captions = tuple(str(text) for text in held["captions"])
    told = zip(captions, held["confidence"].tolist(), held["match"].tolist(), strict=True)
    return Seen(
        captions,
        np.array([not doubts(*one, thresholds) for one in told]),
        held["look"],
        held["texture"],
        held["caption"],
        sentences.embed_queries(list(products.names)),
    )


def _seen_in_pictures(
    pictures: Sequence[Path], sentences: Embedder, cache_dir: Path
) -> tuple[dict[str, NDArray[Any]], str]:
    """All pictures' rows by name, and who wrote the captions."""
    captioner, dual = captioner_named(None), configured_embedder("image")
    folder = cache_dir / _key(pictures, captioner.model_id, dual.model_id, sentences.model_id)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{start:06d}.npz" for start in range(0, len(pictures), _BATCH)]
    missing = [at for at, file in enumerate(files) if not file.is_file()]
    images = [
        CaptionedImage(picture, ()) for at in missing for picture in pictures[at * _BATCH : (at + 1) * _BATCH]
    ]
    # Only the last batch is shorter, so the missing ones stay as they would have been.
    batches = frame_batches(images, backbone(), captioner, _BATCH) if images else iter(())
    for at, frames in zip(missing, tqdm(batches, total=len(missing), desc="captions"), strict=True):
        scratch = files[at].with_suffix(".new.npz")
        np.savez(scratch, **_look_at(frames, captioner, dual, sentences))
        scratch.replace(files[at])
    held = [np.load(file) for file in files]
    return {name: np.concatenate([one[name] for one in held]) for name in held[0].files}, captioner.model_id


def _look_at(frames: FrameBatch, captioner: Captioner, dual: Embedder, sentences: Embedder) -> dict[str, Any]:
    drafts = captioner.caption(frames)
    captions, said = [draft.text for draft in drafts], [draft.sentences for draft in drafts]
    look = dual.embed_frames(frames, said)
    return {
        "captions": captions,
        "confidence": [draft.confidence for draft in drafts],
        "match": (dual.embed_queries(captions) * look).sum(axis=1),
        "caption": sentences.embed_frames(frames, said),
        "look": look,
        "texture": textures(frames.features.grid),
    }


def _screen_of(model_id: str) -> Thresholds:
    """The thresholds that ship with the captioner: an evaluation asks no database for its settings."""
    fitted = fitted_for(checkpoint_dir(), model_id)
    return Thresholds(**fitted["thresholds"]) if fitted else Thresholds()


def _key(pictures: Sequence[Path], *models: str) -> str:
    names = [f"{picture.name}:{picture.stat().st_size}" for picture in pictures]
    return hashlib.sha256("\n".join([*models, *names]).encode()).hexdigest()[:16]
