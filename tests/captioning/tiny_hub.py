"""Checkpoints of the hub's families at toy size: random weights, in the files that a download would have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers.decoders import ByteLevel
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.captioning.tiny import SENTENCES

hub: Any = transformers  # its configurations take more than their types say
WORDS: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
SIGHT: dict[str, Any] = {**WORDS, "image_size": 32, "patch_size": 8}
#: With the usual 0.02 a random head says the same of every picture.
LOUD = 0.4
_SQUARE = {"height": 32, "width": 32}


def tokenizer(folder: Path, specials: list[str], *, bert: bool = False, **named: str) -> Any:
    """Byte-level tokens behind the special ones, which get the first ids; `bert` puts [CLS] and [SEP] around a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
        ),
    )
    if bert:
        ends = [(each, made.token_to_id(each)) for each in ("[CLS]", "[SEP]")]
        made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    wrapped = hub.PreTrainedTokenizerFast(
        tokenizer_object=made,
        extra_special_tokens=[each for each in specials if each not in named.values()],
        **named,
    )
    wrapped.save_pretrained(folder)
    return wrapped


def _bert(folder: Path) -> tuple[Any, dict[str, Any]]:
    words = tokenizer(
        folder,
        ["[PAD]", "[CLS]", "[SEP]"],
        bert=True,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    return words, {
        "vocab_size": len(words),
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
    }


def blip(folder: Path) -> Any:
    _, words = _bert(folder)
    BlipImageProcessorPil(size=_SQUARE).save_pretrained(folder)
    text = {**WORDS, **words, "encoder_hidden_size": 32, "initializer_range": LOUD, "projection_dim": 32}
    return hub.BlipForConditionalGeneration(
        hub.BlipConfig(
            text_config=text,
            vision_config={**SIGHT, "initializer_range": LOUD, "projection_dim": 32},
            projection_dim=32,
        )
    )


def git(folder: Path) -> Any:
    _, words = _bert(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=_SQUARE).save_pretrained(folder)
    return hub.GitForCausalLM(
        hub.GitConfig(
            **WORDS, **words, initializer_range=LOUD, vision_config={**SIGHT, "initializer_range": LOUD}
        )
    )


def vit_gpt2(folder: Path) -> Any:
    words = tokenizer(folder, ["<|endoftext|>"], eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    ViTImageProcessorPil(size=_SQUARE).save_pretrained(folder)
    model = hub.VisionEncoderDecoderModel(
        encoder=hub.ViTModel(hub.ViTConfig(**SIGHT, initializer_range=LOUD)),
        decoder=hub.GPT2LMHeadModel(
            hub.GPT2Config(
                vocab_size=len(words),
                n_embd=32,
                n_layer=2,
                n_head=4,
                bos_token_id=0,
                eos_token_id=0,
                add_cross_attention=True,
                is_decoder=True,
                initializer_range=LOUD,
            )
        ),
    )
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = 0
    model.config.pad_token_id = model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 0
    return model


def blip_2(folder: Path) -> Any:
    words = tokenizer(
        folder, ["</s>", "<pad>", "<image>"], eos_token="</s>", bos_token="</s>", pad_token="<pad>"
    )
    BlipImageProcessorPil(size=_SQUARE).save_pretrained(folder)
    text = hub.OPTConfig(
        vocab_size=len(words),
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        init_std=LOUD,
        word_embed_proj_dim=32,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
        max_position_embeddings=128,
    )
    config = hub.Blip2Config(
        text_config=text,
        vision_config={**SIGHT, "initializer_range": LOUD},
        qformer_config={**WORDS, "encoder_hidden_size": 32, "vocab_size": 8, "initializer_range": LOUD},
        num_query_tokens=4,
        image_token_index=2,
        initializer_range=LOUD,
    )
    model = hub.Blip2ForConditionalGeneration(config)
    torch.nn.init.normal_(model.query_tokens)
    return model


def florence_2(folder: Path) -> Any:
    words = tokenizer(
        folder, ["<s>", "<pad>", "</s>", "<image>"], bos_token="<s>", pad_token="<pad>", eos_token="</s>"
    )
    processor: Any = CLIPImageProcessorPil(size=_SQUARE, do_center_crop=False)
    processor.image_seq_length = 5
    processor.save_pretrained(folder)
    vision = hub.Florence2Config().vision_config.__class__(
        embed_dim=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_heads=[2, 2, 2, 2],
        num_groups=[2, 2, 2, 2],
        window_size=4,
        projection_dim=32,
        initializer_range=LOUD,
        max_temporal_embeddings=4,
        max_position_embeddings=8,
        patch_stride=[4, 2, 2, 1],
    )
    text = hub.BartConfig(
        vocab_size=len(words),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        init_std=LOUD,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
        max_position_embeddings=128,
    )
    return hub.Florence2ForConditionalGeneration(
        hub.Florence2Config(text_config=text, vision_config=vision, image_token_id=3, initializer_range=LOUD)
    )


def smolvlm(folder: Path) -> Any:
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 3) for column in range(1, 3)]
    named = [
        "<|im_start|>",
        "<end_of_utterance>",
        "<image>",
        "<fake_token_around_image>",
        "<global-img>",
        *tiles,
    ]
    words = tokenizer(
        folder, named, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_start|>"
    )
    SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}).save_pretrained(
        folder
    )
    text = {
        **WORDS,
        "model_type": "llama",
        "vocab_size": len(words),
        "num_key_value_heads": 2,
        "initializer_range": LOUD,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    return hub.SmolVLMForConditionalGeneration(
        hub.SmolVLMConfig(
            text_config=text,
            vision_config={**SIGHT, "initializer_range": LOUD},
            image_token_id=2,
            scale_factor=2,
            pad_token_id=0,
            initializer_range=LOUD,
        )
    )


def qwen2_vl(folder: Path) -> Any:
    named = [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    words = tokenizer(folder, named, eos_token="<|im_end|>", pad_token="<|im_start|>")
    Qwen2VLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    ).save_pretrained(folder)
    text = {
        **WORDS,
        "vocab_size": len(words),
        "num_key_value_heads": 2,
        "initializer_range": LOUD,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0},
    }
    vision = {
        "depth": 2,
        "embed_dim": 32,
        "hidden_size": 32,
        "num_heads": 4,
        "mlp_ratio": 2,
        "patch_size": 8,
        "initializer_range": LOUD,
    }
    return hub.Qwen2VLForConditionalGeneration(
        hub.Qwen2VLConfig(
            text_config=text,
            vision_config=vision,
            vision_start_token_id=2,
            vision_end_token_id=3,
            image_token_id=4,
            video_token_id=5,
        )
    )


FAMILIES: dict[str, Callable[[Path], Any]] = {
    "blip": blip,
    "git": git,
    "vit-gpt2": vit_gpt2,
    "blip-2": blip_2,
    "florence-2": florence_2,
    "smolvlm": smolvlm,
    "qwen2-vl": qwen2_vl,
}


def save_tiny_hub_model(family: str, folder: Path) -> Path:
    """Write a model of this family, the same every time, as its page on the hub would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    FAMILIES[family](folder).save_pretrained(folder)
    return folder
