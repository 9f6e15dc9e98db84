"""A language model of toy size with random weights, in the same format as a real one, and a captioner over it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.decoders import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import save_checkpoint
from captioning.captioners.language_model import load_base
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.config import FinetuneConfig

SENTENCES = ("A dog runs on the beach.", "Two children play with a red ball.", "A man climbs a rock.")
END = "<|im_end|>"
ARCHITECTURE = Architecture(
    visual_side=2,
    projector_width=16,
    tags_in_prompt=2,
    lora_rank=2,
    concepts=("dog", "beach", "ball"),
    concepts_in_prompt=1,
)
DECODING = {"num_beams": 3, "max_new_tokens": 6, "concept_agreement": 0.1}

WALLS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200), "white": (250, 250, 250)}


def four_walls(folder: Path, *said: str) -> Path:
    """A dataset of a picture of each wall, in train and in dev alike. said: captions, with `{}` for the colour."""
    (folder / "images").mkdir(parents=True)
    rows = ["image,split,caption"]
    for name, colour in WALLS.items():
        Image.new("RGB", (300, 280), colour).save(folder / "images" / f"{name}.png")
        rows += [f"{name}.png,{split},{text.format(name)}" for text in said for split in ("train", "dev")]
    (folder / "captions.csv").write_text("\n".join(rows))
    return folder


def save_tiny_lm(folder: Path) -> Path:
    """Write tokenizer and weights (2 layers, 32 wide, the same every time) to `folder`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=0,
        tie_word_embeddings=True,
        initializer_range=0.3,  # with the usual 0.02 a frozen random head could never be sure of a word
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def save_tiny_checkpoint(folder: Path) -> Path:
    """A captioner over such a model, whose own weights are random, too."""
    base = str(save_tiny_lm(folder / "lm"))
    tokenizer, lm = load_base(base, folder)
    torch.manual_seed(1)
    model = VisualLanguageModel(lm, tokenizer, ARCHITECTURE)
    save_checkpoint(folder, model.trained_state(), base=base, architecture=ARCHITECTURE, decoding=DECODING)
    return folder


def quick_config(base: Path, **changes: Any) -> FinetuneConfig:
    """A few plain pictures on one processor, learned fast. base: what `save_tiny_lm` made."""
    return replace(
        FinetuneConfig(
            base=str(base),
            architecture=Architecture(visual_side=2, projector_width=32, lora_rank=8),
            images_per_batch=2,
            learning_rate=1e-2,
            projector_learning_rate=1e-2,
            warmup_steps=2,
            views=("plain",),
            dropout=0.0,
            device="cpu",
        ),
        **changes,
    )
