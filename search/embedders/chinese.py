"""Chinese sentences in the space of the English sentence encoder, by a small transformer behind a multilingual one.

E5 knows what a Chinese sentence says, but puts it where only its own sentences lie. The network behind it, and with it
E5's last layers, learned to make of its states what the English encoder makes of the translation (multilingual
distillation, Reimers & Gurevych 2020). What they give are token states like those of the English encoder, so whatever
reads these, the towers of the image space above all, reads Chinese, too, and pictures are indexed once for both
languages.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.devices import best_device
from core.errors import ModelUnavailable
from core.narrowing import narrowed, widened
from core.packages import file_sha256
from search.embedders import e5, minilm
from search.embedders.tuned_reader import TunedReader

SHIPPED_CHECKPOINT = Path(__file__).parent.parent / "checkpoints" / "chinese"
WEIGHTS, MANIFEST = "weights.safetensors", "model.json"


@dataclass(frozen=True)
class ChineseShape:
    """What has to be known to rebuild the network that a checkpoint's weights fit.

    tuned_layers: so many of E5's last ones are changed, in matrices of this rank.
    """

    width: int = 256
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    tuned_layers: int = 0
    rank: int = 16


class Translator(nn.Module):
    """E5's states (N, T, 384) with mask (N, T) -> states (N, T, 384), to be read as the English encoder's are.

    E5's are those before the layers that are tuned.
    """

    def __init__(self, shape: ChineseShape) -> None:
        super().__init__()
        self.reader = TunedReader(shape.tuned_layers, shape.rank) if shape.tuned_layers else None
        self.norm = nn.LayerNorm(e5.DIMENSION)
        self.narrow = nn.Linear(e5.DIMENSION, shape.width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width,
                shape.heads,
                2 * shape.width,
                shape.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(shape.layers)
        )
        self.widen = nn.Linear(shape.width, minilm.DIMENSION)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.reader is not None:
            states = self.reader(states, mask)
        read = self.narrow(self.norm(states))
        for layer in self.layers:
            read = layer(read, src_key_padding_mask=~mask)
        widened_states: Tensor = self.widen(read)
        return widened_states

    def own_state(self) -> dict[str, Tensor]:
        """Its state without the layers that are E5's."""
        return {name: weight for name, weight in self.state_dict().items() if not _is_borrowed(name)}

    def load_own_state(self, state: Mapping[str, Tensor]) -> None:
        """RuntimeError where it is another network's."""
        borrowed = {name: weight for name, weight in self.state_dict().items() if _is_borrowed(name)}
        self.load_state_dict(borrowed | dict(state))


class ChineseEncoder:
    """The shipped network behind E5. ModelUnavailable where either is missing or they do not fit."""

    def __init__(self, folder: Path = SHIPPED_CHECKPOINT, device: str | None = None) -> None:
        manifest, network = load_network(folder)
        self.model_id: str = manifest["model_id"]
        self.device = best_device(device)
        self.reader = e5.shared(device)
        self.network = network.to(self.device).eval()
        self._tuned_layers = 0
        if network.reader is not None:
            self._tuned_layers = len(network.reader.layers)
            network.reader.settle()
        self._tokens_of_one = lru_cache(minilm.REMEMBERED)(self._tokens)

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States (N, T, 384) and a mask (N, T), true where there is a token. Not to be written to: they are shared."""
        read = self._tokens_of_one if len(texts) == 1 else self._tokens
        return read(tuple(texts))

    @torch.inference_mode()
    def _tokens(self, texts: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        states, mask, _ = self.reader.read(texts, self._tuned_layers)
        return self.network(states, mask).float(), mask


@cache
def shared(device: str | None = None) -> ChineseEncoder:
    """One encoder per process and device."""
    return ChineseEncoder(device=device)


def save_network(folder: Path, network: Translator, shape: ChineseShape) -> str:
    """Write weights (8 bits each, a scale for each row) and manifest; returns the model id."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(narrowed(network.own_state()), folder / WEIGHTS)
    weights_sha256 = file_sha256(folder / WEIGHTS)
    manifest = {
        "model_id": f"chinese-e5-minilm-{weights_sha256[:8]}",
        "shape": asdict(shape),
        "weights_sha256": weights_sha256,
        "reader_sha256": e5.weights_sha256(),
        "text_encoder_sha256": minilm.weights_sha256(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return str(manifest["model_id"])


def load_network(folder: Path) -> tuple[dict[str, Any], Translator]:
    """Manifest and network. ModelUnavailable says what is missing, damaged, or doesn't fit."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if file_sha256(folder / WEIGHTS) != manifest["weights_sha256"]:
            raise ModelUnavailable(f"{folder / WEIGHTS} is damaged: its hash is not the one in {MANIFEST}.")
        bases = (manifest["reader_sha256"], manifest["text_encoder_sha256"])
        network = Translator(ChineseShape(**manifest["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"There is no Chinese encoder in {folder} ({error}). Train one with `manage.py train_chinese`."
        ) from error
    if bases != (e5.weights_sha256(), minilm.weights_sha256()):
        raise ModelUnavailable(
            f"{folder} learned from other sentence encoders than the installed packages hold."
        )
    try:
        network.load_own_state(widened(load_file(folder / WEIGHTS)))
    except RuntimeError as error:
        raise ModelUnavailable(
            f"The weights in {folder} do not fit this version's network: train anew."
        ) from error
    return manifest, network


def _is_borrowed(name: str) -> bool:
    return name.startswith("reader.layers.")
