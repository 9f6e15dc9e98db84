"""The image space: what the pixels show beside what a person types, as in CLIP (Radford et al. 2021)."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.vision import backbone
from captioning.vision.frames import FrameBatch
from core.devices import best_device, inference_dtype
from core.errors import ModelUnavailable
from core.narrowing import narrowed, widened
from core.packages import file_sha256
from search.embedders import minilm, multilingual
from search.embedders.looks import PLAIN, looked_at
from search.embedders.towers import DualTowers, TowerShape

SHIPPED_CHECKPOINT = Path(__file__).parent.parent / "checkpoints" / "image"
WEIGHTS, MANIFEST = "weights.safetensors", "model.json"


class DualEncoder:
    """Two small trained towers over the frozen sentence encoder and the backbone, whose last stage may be their own.

    ModelUnavailable where the weights are missing or damaged.
    """

    space = "image"

    def __init__(self, checkpoint: str | None = None, device: str | None = None, **_: Any) -> None:
        folder = Path(checkpoint) if checkpoint else SHIPPED_CHECKPOINT
        manifest, towers = load_towers(folder)
        self.model_id: str = manifest["model_id"]
        self.dimension: int = manifest["dimension"]
        self.device = best_device(device)
        self.encoder = multilingual.shared(device)
        self.towers = towers.to(self.device).eval()
        self.looks = tuple(manifest["shape"]["looks"])
        if towers.last_stage is not None:
            towers.last_stage.to(inference_dtype(self.device))

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, dimension), one row per picture; what is said of it is not read.

        Made once for a batch: the captioner's judge asks for the same vectors as the index.
        """
        if self.model_id not in frames.made:
            frames.made[self.model_id] = self._embedded(frames)
        return frames.made[self.model_id]

    @torch.inference_mode()
    def _embedded(self, frames: FrameBatch) -> NDArray[np.float32]:
        vectors = self.towers.images_of(self._read(self._seen(frames, look)) for look in self.looks)
        return np.asarray(vectors.cpu())

    def _seen(self, frames: FrameBatch, look: str) -> FrameBatch:
        """As they are, the pictures were seen already; other looks are for this space alone."""
        if look == PLAIN:
            return frames
        pixels = looked_at(frames.pixels, look)
        return FrameBatch(pixels, self.backbone.encode(pixels))

    @cached_property
    def backbone(self) -> backbone.EfficientNetLite2:
        """For looks other than the plain one."""
        return backbone.EfficientNetLite2(str(self.device))

    def _read(self, frames: FrameBatch) -> tuple[Tensor, Tensor]:
        own = self.towers.last_stage
        seen = torch.from_numpy(frames.features.grid if own is None else own.read(frames)).float()
        return seen.to(self.device), torch.from_numpy(frames.features.logits).to(self.device)

    def match(self, frames: FrameBatch, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """As `captioning.captioners.judging.Judge`: of each frame the cosines of its sentences."""
        told = list(dict.fromkeys(text for of_one in sentences for text in of_one))
        rows = dict(zip(told, self.embed_queries(told), strict=True))
        pictures = self.embed_frames(frames, [()] * len(frames))
        return [
            np.array([rows[text] @ picture for text in of_one], dtype=np.float32)
            for of_one, picture in zip(sentences, pictures, strict=True)
        ]

    @torch.inference_mode()
    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, dimension), one row per text."""
        read = self.encoder.read(texts, self.towers.tuned_text)
        vectors: NDArray[np.float32] = self.towers.texts(*read).cpu().numpy()
        return vectors

    def knows(self, word: str) -> bool:
        """Whether the sentence encoder was taught this word as a whole."""
        return self.encoder.english.knows(word)


def save_towers(folder: Path, towers: DualTowers, shape: TowerShape) -> str:
    """Write weights (8 bits each, a scale for each row) and manifest; returns the model id."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / WEIGHTS
    save_file(narrowed(towers.state_dict()), file)
    weights_sha256 = file_sha256(file)
    manifest = {
        "model_id": f"dual-lite2-minilm-{weights_sha256[:8]}" + _looks_named(shape),
        "dimension": shape.dimension,
        "shape": asdict(shape),
        "weights_sha256": weights_sha256,
        "backbone_sha256": backbone.weights_sha256(),
        "text_encoder_sha256": minilm.weights_sha256(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return str(manifest["model_id"])


def _looks_named(shape: TowerShape) -> str:
    return "" if shape.looks == (PLAIN,) else f"-{len(shape.looks)}looks"


def load_towers(folder: Path) -> tuple[dict[str, Any], DualTowers]:
    """Manifest and towers. ModelUnavailable says what is missing, damaged, or belongs to other bases."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if file_sha256(folder / WEIGHTS) != manifest["weights_sha256"]:
            raise ModelUnavailable(f"{folder / WEIGHTS} is damaged: its hash is not the one in {MANIFEST}.")
        bases = (manifest["backbone_sha256"], manifest["text_encoder_sha256"])
        shape = TowerShape(**manifest["shape"])
        manifest["shape"] = asdict(shape)  # with what an older one does not name
        towers = DualTowers(shape)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no dual encoder in {folder} ({error}). Train one with `manage.py train_embedder`."
        ) from error
    if bases != (backbone.weights_sha256(), minilm.weights_sha256()):
        raise ModelUnavailable(
            f"{folder} was trained on other base weights than the installed packages hold."
        )
    try:
        towers.load_state_dict(widened(load_file(folder / WEIGHTS)))
    except RuntimeError as error:
        raise ModelUnavailable(
            f"The weights in {folder} do not fit this version's towers: train anew."
        ) from error
    return manifest, towers
