"""The image space: what the pixels show beside what a person types, as in CLIP (Radford et al. 2021)."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from captioning.vision import backbone
from captioning.vision.frames import FrameBatch
from core.devices import best_device
from core.errors import ModelUnavailable
from core.packages import file_sha256
from search.embedders import minilm, multilingual
from search.embedders.towers import DualTowers, TowerShape

SHIPPED_CHECKPOINT = Path(__file__).parent.parent / "checkpoints" / "image"
WEIGHTS, MANIFEST = "weights.safetensors", "model.json"


class DualEncoder:
    """Two small trained towers over the frozen backbone and the frozen sentence encoder."""

    space = "image"

    def __init__(self, checkpoint: str | None = None, device: str | None = None, **_: Any) -> None:
        folder = Path(checkpoint) if checkpoint else SHIPPED_CHECKPOINT
        manifest, towers = load_towers(folder)
        self.model_id: str = manifest["model_id"]
        self.dimension: int = manifest["dimension"]
        self.device = best_device(device)
        self.encoder = multilingual.shared(device)
        self.towers = towers.to(self.device).eval()

    @torch.inference_mode()
    def embed_frames(self, frames: FrameBatch, captions: Sequence[str]) -> NDArray[np.float32]:
        """(N, dimension), one row per picture; the captions are not read."""
        grid = torch.from_numpy(frames.features.grid).float().to(self.device)
        logits = torch.from_numpy(frames.features.logits).to(self.device)
        vectors: NDArray[np.float32] = self.towers.images(grid, logits).cpu().numpy()
        return vectors

    @torch.inference_mode()
    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, dimension), one row per text."""
        vectors: NDArray[np.float32] = self.towers.texts(*self.encoder.tokens(texts)).cpu().numpy()
        return vectors

    def knows(self, word: str) -> bool:
        """Whether the sentence encoder was taught this word as a whole."""
        return self.encoder.english.knows(word)


def save_towers(folder: Path, towers: DualTowers, shape: TowerShape) -> str:
    """Write weights (float16) and manifest; returns the model id."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / WEIGHTS
    save_file(
        {name: weight.detach().cpu().half().contiguous() for name, weight in towers.state_dict().items()},
        file,
    )
    weights_sha256 = file_sha256(file)
    manifest = {
        "model_id": f"dual-lite2-minilm-{weights_sha256[:8]}",
        "dimension": shape.dimension,
        "shape": asdict(shape),
        "weights_sha256": weights_sha256,
        "backbone_sha256": backbone.weights_sha256(),
        "text_encoder_sha256": minilm.weights_sha256(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return str(manifest["model_id"])


def load_towers(folder: Path) -> tuple[dict[str, Any], DualTowers]:
    """Manifest and towers. ModelUnavailable says what is missing, damaged, or belongs to other bases."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if file_sha256(folder / WEIGHTS) != manifest["weights_sha256"]:
            raise ModelUnavailable(f"{folder / WEIGHTS} is damaged: its hash is not the one in {MANIFEST}.")
        bases = (manifest["backbone_sha256"], manifest["text_encoder_sha256"])
        towers = DualTowers(TowerShape(**manifest["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no dual encoder in {folder} ({error}). Train one with `manage.py train_embedder`."
        ) from error
    if bases != (backbone.weights_sha256(), minilm.weights_sha256()):
        raise ModelUnavailable(
            f"{folder} was trained on other base weights than the installed packages hold."
        )
    try:
        towers.load_state_dict({name: weight.float() for name, weight in load_file(folder / WEIGHTS).items()})
    except RuntimeError as error:
        raise ModelUnavailable(
            f"The weights in {folder} do not fit this version's towers: train anew."
        ) from error
    return manifest, towers
