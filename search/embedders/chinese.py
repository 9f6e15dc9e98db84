"""Chinese sentences in the space of the English sentence encoder, by a small transformer over characters.

It learned to make of a Chinese sentence what the English encoder makes of its translation (multilingual distillation,
Reimers & Gurevych 2020). What it gives are token states like those of the English encoder, so whatever reads these,
the towers of the image space above all, reads Chinese, too, and pictures are indexed once for both languages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.devices import best_device
from core.errors import ModelUnavailable
from core.narrowing import narrowed, widened
from core.packages import file_sha256
from search.embedders import minilm

SHIPPED_CHECKPOINT = Path(__file__).parent.parent / "checkpoints" / "chinese"
WEIGHTS, MANIFEST, CHARACTERS = "weights.safetensors", "model.json", "characters.json"
UNKNOWN = 0


@dataclass(frozen=True)
class ChineseShape:
    """What has to be known to rebuild the network that a checkpoint's weights fit. longest: in characters."""

    characters: int = 1
    width: int = 192
    layers: int = 2
    heads: int = 4
    longest: int = 48
    dropout: float = 0.1


class CharacterTransformer(nn.Module):
    """Character ids (N, T) with mask (N, T) -> states (N, T, 384), to be read as the English encoder's are."""

    def __init__(self, shape: ChineseShape) -> None:
        super().__init__()
        self.characters = nn.Embedding(shape.characters, shape.width)
        self.places = nn.Embedding(shape.longest, shape.width)
        nn.init.normal_(self.characters.weight, std=shape.width**-0.5)
        nn.init.normal_(self.places.weight, std=0.2 * shape.width**-0.5)
        self.norm = nn.LayerNorm(shape.width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width,
                shape.heads,
                3 * shape.width,
                shape.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(shape.layers)
        )
        self.widen = nn.Linear(shape.width, minilm.DIMENSION)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = self.places.weight[: ids.shape[1]]
        states = self.norm(self.characters(ids) + places)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~mask)
        widened: Tensor = self.widen(states)
        return widened


class ChineseEncoder:
    """The shipped network with its characters. ModelUnavailable where the checkpoint is missing or doesn't fit."""

    def __init__(self, folder: Path = SHIPPED_CHECKPOINT, device: str | None = None) -> None:
        manifest, self.ids, network = load_network(folder)
        self.model_id: str = manifest["model_id"]
        self.shape = ChineseShape(**manifest["shape"])
        self.device = best_device(device)
        self.network = network.to(self.device).eval()

    @torch.inference_mode()
    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States (N, T, 384) and a mask (N, T), true where there is a character."""
        ids, mask = character_ids(texts, self.ids, self.shape.longest)
        ids, mask = ids.to(self.device), mask.to(self.device)
        return self.network(ids, mask).float(), mask


@cache
def shared(device: str | None = None) -> ChineseEncoder:
    """One encoder per process and device."""
    return ChineseEncoder(device=device)


def character_ids(texts: Sequence[str], ids: Mapping[str, int], longest: int) -> tuple[Tensor, Tensor]:
    """Ids of the characters of N texts, blanks left out, (N, T) and a mask (N, T); never an empty row."""
    rows = [
        [ids.get(sign, UNKNOWN) for sign in text if not sign.isspace()][:longest] or [UNKNOWN]
        for text in texts
    ]
    lengths = torch.tensor([len(row) for row in rows])
    padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return padded, torch.arange(padded.shape[1])[None] < lengths[:, None]


def save_network(
    folder: Path, network: CharacterTransformer, shape: ChineseShape, ids: Mapping[str, int]
) -> str:
    """Write weights (8 bits each, a scale for each row), characters and manifest; returns the model id."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(narrowed(network.state_dict()), folder / WEIGHTS)
    (folder / CHARACTERS).write_text(json.dumps(dict(ids), ensure_ascii=False) + "\n", "utf-8")
    weights_sha256 = file_sha256(folder / WEIGHTS)
    manifest = {
        "model_id": f"chinese-minilm-{weights_sha256[:8]}",
        "shape": asdict(shape),
        "weights_sha256": weights_sha256,
        "characters_sha256": file_sha256(folder / CHARACTERS),
        "text_encoder_sha256": minilm.weights_sha256(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return str(manifest["model_id"])


def load_network(folder: Path) -> tuple[dict[str, Any], dict[str, int], CharacterTransformer]:
    """Manifest, id of each character, and network. ModelUnavailable says what is missing, damaged, or doesn't fit."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        for file, key in ((WEIGHTS, "weights_sha256"), (CHARACTERS, "characters_sha256")):
            if file_sha256(folder / file) != manifest[key]:
                raise ModelUnavailable(f"{folder / file} is damaged: its hash is not the one in {MANIFEST}.")
        base = manifest["text_encoder_sha256"]
        ids = json.loads((folder / CHARACTERS).read_text("utf-8"))
        network = CharacterTransformer(ChineseShape(**manifest["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no Chinese encoder in {folder} ({error}). Train one with `manage.py train_chinese`."
        ) from error
    if base != minilm.weights_sha256():
        raise ModelUnavailable(
            f"{folder} learned from another sentence encoder than the installed package holds."
        )
    try:
        network.load_state_dict(widened(load_file(folder / WEIGHTS)))
    except RuntimeError as error:
        raise ModelUnavailable(
            f"The weights in {folder} do not fit this version's network: train anew."
        ) from error
    return manifest, ids, network
