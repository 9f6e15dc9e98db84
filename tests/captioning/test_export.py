"""A captioner written out for plain transformers still writes the same captions."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import call_command
from transformers import AutoModelForCausalLM, AutoTokenizer

from captioning import versions
from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import read_manifest, save_checkpoint
from captioning.captioners.export import LANGUAGE_MODEL, export
from captioning.captioners.language_model import PACKAGED
from captioning.captioners.visual import VisualCaptioner
from captioning.training.config import FinetuneConfig
from captioning.training.model import build_model
from captioning.vision.frames import Features, FrameBatch
from core.errors import InvalidInput
from tests.captioning.tiny import save_tiny_lm


def checkpoint_of(tmp_path: Path, method: str) -> Path:
    torch.manual_seed(3)
    architecture = Architecture(visual_side=2, projector_width=16, lora_rank=2, top_layers=1, method=method)
    base = str(save_tiny_lm(tmp_path / "lm"))
    model = build_model(FinetuneConfig(base=base, architecture=architecture, device="cpu"), tmp_path)
    state = {name: weight.float() for name, weight in model.trained_state().items()}
    for name, weight in state.items():
        if "lora_B" in name:  # adapters start as zero
            weight.normal_(std=0.3)
    save_checkpoint(
        tmp_path / "trained", state, base=base, architecture=architecture, decoding={"num_beams": 2}
    )
    return tmp_path / "trained"


def frames() -> FrameBatch:
    grid = np.random.default_rng(0).normal(size=(3, 81, 1280)).astype(np.float16)
    return FrameBatch(np.zeros((3, 260, 260, 3), np.uint8), Features(grid, np.zeros((3, 1000), np.float32)))


@pytest.mark.parametrize("method", ["lora", "top_layers"])
def test_the_exported_captioner_writes_the_same(method: str, tmp_path: Path) -> None:
    trained = checkpoint_of(tmp_path, method)
    export(trained, tmp_path / "out", tmp_path / "cache")
    (tmp_path / "out").rename(tmp_path / "elsewhere")  # it holds its language model itself
    texts = []
    for folder in (trained, tmp_path / "elsewhere"):
        captioner = VisualCaptioner(str(folder), str(tmp_path / "cache"), device="cpu")
        # As a device that multiplies bfloat16 loads them, which not every processor does.
        captioner.model.to(torch.bfloat16).to(torch.float32)
        texts.append([draft.text for draft in captioner.caption(frames())])
    assert texts[0] == texts[1]
    assert any(texts[0])
    plain: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "elsewhere" / LANGUAGE_MODEL)
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "elsewhere" / LANGUAGE_MODEL)
    assert plain.generate(**tokenizer("A dog", return_tensors="pt"), max_new_tokens=3).shape[1] > 2
    assert not any("lora" in name for name in plain.state_dict())


def test_a_captioner_is_named_after_its_language_model_also_once_it_is_exported(tmp_path: Path) -> None:
    trained = checkpoint_of(tmp_path, "lora")
    assert read_manifest(trained).name == "lm-lite2"
    assert export(trained, tmp_path / "out", tmp_path / "cache").model_id.startswith("lm-lite2-")


@pytest.mark.parametrize(
    ("base", "name"),
    [(PACKAGED, "smollm2-lite2"), ("Qwen/Qwen2.5-0.5B_Instruct", "qwen2.5-0.5b-instruct-lite2")],
)
def test_a_name_is_short_and_plain(base: str, name: str, tmp_path: Path) -> None:
    weights = {"projector.place": torch.zeros(2, 2)}
    made = save_checkpoint(
        tmp_path, weights, base=base, architecture=Architecture(), decoding={"num_beams": 2}
    )
    assert made.model_id == f"{name}-{made.weights_sha256[:8]}-beam2"
    assert read_manifest(tmp_path).name == name


def test_what_transformers_does_not_know_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="method=prefix"):
        export(checkpoint_of(tmp_path, "prefix"), tmp_path / "out", tmp_path / "cache")


@pytest.mark.django_db
def test_a_registered_version_is_exported_and_registered_again(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR, settings.MODEL_CACHE_DIR = tmp_path / "var", tmp_path / "cache"
    version = versions.register(checkpoint_of(tmp_path, "lora"))
    out = StringIO()
    call_command("captioner", "export", str(tmp_path / "out"), "--model", version.model_id, stdout=out)
    assert "a language model for transformers" in out.getvalue()
    again = versions.register(tmp_path / "out")
    assert again.model_id in out.getvalue()
    kept = VisualCaptioner(again.folder, str(tmp_path / "cache"), device="cpu")  # with its language model
    assert len(kept.caption(frames())) == 3
