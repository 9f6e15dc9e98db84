"""Checkpoints that pass every check of a real one, and a captioner that reads no more of them than their cards.

CAPTIONER = "tests.captioning.checkpoints.FolderCaptioner" writes "a red picture, said by oak" from the folder
that `save_version(folder, "oak")` made.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from captioning import active, versions
from captioning.captioners.architecture import Architecture
from captioning.captioners.base import CaptionDraft
from captioning.captioners.checkpoint import Manifest, save_checkpoint
from captioning.captioners.language_model import PACKAGED
from captioning.models import CaptionerVersion
from captioning.vision.frames import FrameBatch
from tests.fakes import FakeCaptioner

CAPTIONER = "tests.captioning.checkpoints.FolderCaptioner"
MakeVersion = Callable[..., CaptionerVersion]


class FolderCaptioner(FakeCaptioner):
    """Names itself as its folder does, and ends each sentence with the word kept there."""

    def __init__(self, checkpoint: str, **_: object) -> None:
        card = json.loads((Path(checkpoint) / "model.json").read_text("utf-8"))
        self.model_id = card["model_id"]
        self.word = card["decoding"].get("word", "nobody")

    def caption(self, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        drafts: Sequence[CaptionDraft] = super().caption(frames, style)
        return [replace(draft, text=f"{draft.text}, said by {self.word}") for draft in drafts]


def save_version(folder: Path, word: str, *, cider: float | None = None) -> Manifest:
    """A checkpoint whose weights are the letters of its word; with figures, if any are given."""
    weights = {"word": torch.tensor([float(ord(letter)) for letter in word])}
    decoding = {"num_beams": 1, "word": word}
    manifest = save_checkpoint(folder, weights, base=PACKAGED, architecture=Architecture(), decoding=decoding)
    if cider is not None:
        figures = {"captioner": manifest.model_id, "cider": cider, "images_per_s": 4.0}
        (folder / "metrics.json").write_text(json.dumps(figures), encoding="utf-8")
    return manifest


@pytest.fixture
def shipped(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[str]:
    """No setting pins the captioner, and "oak" ships with the code; its model id."""
    settings.CAPTIONER, settings.VAR_DIR = CAPTIONER, tmp_path / "var"
    settings.CAPTIONER_MODEL_ID = settings.CAPTIONER_CHECKPOINT = None
    folder = tmp_path / "shipped"
    monkeypatch.setattr(active, "SHIPPED_CHECKPOINT", folder)
    active._card.cache_clear()
    yield save_version(folder, "oak", cider=0.5).model_id
    active._card.cache_clear()


@pytest.fixture
def registered(tmp_path: Path, shipped: str) -> MakeVersion:
    """`registered("elm", cider=0.6)` is a version that ends its sentences with elm."""

    def make(word: str, *, cider: float | None = 0.6) -> CaptionerVersion:
        save_version(tmp_path / word, word, cider=cider)
        return versions.register(tmp_path / word)

    return make
