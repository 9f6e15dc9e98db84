"""A language model that knows nothing yet: the yardstick for what a pretrained one is worth."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from captioning.training.dataset import CaptionedImage, tidy_caption

_END = "<end>"
_VOCABULARY = 4000


def save_scratch_base(images: Sequence[CaptionedImage], folder: Path, seed: int = 0) -> Path:
    """Write a small decoder with random weights and a byte-pair vocabulary of these captions, as transformers does.

    To be trained with method=full and base=`folder`.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (tidy_caption(text) for image in images for text in image.captions), trainer
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=_END, pad_token=_END).save_pretrained(
        folder
    )
    end = tokenizer.token_to_id(_END)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=512,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        tie_word_embeddings=True,
        hidden_size=256,  # with four layers about 4 million weights, which some ten thousand captions can teach
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder
