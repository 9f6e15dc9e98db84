"""Captioners of the hub's families at toy size, with random weights in the files that a download would have."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from captioning.captioners import hub
from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.decoding import Decoding
from captioning.captioners.hub import HubCaptioner
from captioning.captioners.hub_families import Loaded, family_of
from captioning.captioners.hub_options import HubOptions, hub_arguments
from captioning.vision.frames import FrameBatch
from core.errors import ModelUnavailable
from tests.captioning.captioner_contract import CaptionerContract, batch_of
from tests.captioning.tiny_hub import FAMILIES, save_tiny_hub_model

SHORT = Decoding(max_new_tokens=6)
_saved: dict[str, Path] = {}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    name: str = request.param
    if name not in _saved:
        _saved[name] = save_tiny_hub_model(name, tmp_path_factory.mktemp("hub") / name)
    return name


def built(family: str, decoding: Decoding = SHORT, **options: Any) -> HubCaptioner:
    return HubCaptioner(HubOptions(model=str(_saved[family]), batch_size=2, **options), decoding, "cpu")


class TestEveryFamily(CaptionerContract):
    others = (
        {"decoding": Decoding(num_beams=2, max_new_tokens=6)},
        {"revision": "main"},
        {"revision": "0123456789abcdef"},
        {"picture_px": 384},
    )

    @pytest.fixture(autouse=True)
    def _of(self, family: str) -> None:
        self.family = family

    def build(self, **changed: Any) -> Captioner:
        return built(self.family, **changed)

    def test_a_prompt_is_part_of_the_id_and_not_of_the_caption(self) -> None:
        if self.family == "vit-gpt2":
            with pytest.raises(ModelUnavailable, match="CAPTIONER_HUB_PROMPT"):
                self.build(prompt="Please say what this is:")
            return
        asked, plain = self.build(prompt="Please say what this is:"), self.build()
        assert asked.model_id != plain.model_id
        drafts = asked.caption(batch_of(2))
        assert not any("what this is" in draft.text for draft in drafts)
        assert [draft.text for draft in drafts] != [draft.text for draft in plain.caption(batch_of(2))]

    def test_families_that_follow_prompts_know_styles(self) -> None:
        captioner = built(self.family)
        follows = self.family in ("florence-2", "smolvlm", "qwen2-vl")
        assert list(captioner.styles) == (["short", "normal", "detailed"] if follows else ["normal"])
        asked: list[str | None] = []
        lay_out = captioner.family.lay_out

        def noted(loaded: Loaded, pictures: Sequence[Image.Image]) -> Any:
            asked.append(loaded.prompt)
            return lay_out(loaded, pictures)

        captioner.family = replace(captioner.family, lay_out=noted)
        for style in captioner.styles:
            captioner.caption(batch_of(1), style)
        assert asked == [
            captioner.family.styles.get(style, captioner.family.prompt) for style in captioner.styles
        ]

    def test_a_confidence_is_the_mean_of_what_the_model_gives_its_own_words(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the next word is as good as certain, so is the caption; where all are alike, it is one in all."""
        captioner = self.build()
        logits: list[Any] = []
        keep = hub.written

        def flat(output: Any) -> Any:
            output.logits = tuple(torch.zeros_like(each) for each in output.logits)
            logits.append(output.logits[0])
            return keep(output)

        monkeypatch.setattr(hub, "written", flat)
        (draft,) = captioner.caption(batch_of(1))
        assert draft.confidence == pytest.approx(1 / logits[0].shape[-1], rel=1e-3)


def test_the_whole_picture_is_looked_at_where_there_is_one_else_the_square() -> None:
    shown: list[tuple[int, int]] = []

    class Looking(HubCaptioner):
        def __init__(self) -> None:
            self.batch_size = 2
            self.family = family_of("blip")

        def _caption(self, pictures: Sequence[Image.Image], style: str) -> list[CaptionDraft]:
            shown.extend(each.size for each in pictures)
            return [CaptionDraft("", 0.5)] * len(pictures)

    captioner = Looking()
    whole = batch_of(2)
    captioner.caption(whole)
    captioner.caption(FrameBatch(whole.pixels, whole.features))
    assert shown == [(64, 40), (40, 64), (260, 260), (260, 260)]


def test_inputs_are_laid_out_as_transformers_own_processors_do(family: str) -> None:
    import transformers

    processor: Any
    loaded = built(family).loaded
    pictures = [Image.fromarray(each) for each in batch_of(3).pictures]
    words, eyes = loaded.tokenizer, loaded.image_processor
    prompt: str | None = "A photo of"
    if family == "blip":
        processor, text = transformers.BlipProcessor(eyes, words), [prompt] * 3
    elif family == "blip-2":
        processor, text = transformers.Blip2Processor(eyes, words, num_query_tokens=4), [prompt] * 3
    elif family == "florence-2":
        words.image_token, words.image_token_id = "<image>", 3
        processor, text = transformers.Florence2Processor(eyes, words), ["<DETAILED_CAPTION>"] * 3
        prompt = "<DETAILED_CAPTION>"
    elif family == "smolvlm":
        # SmolVLM's own wants a package for videos; its elder brother's lays pictures out alike.
        processor = transformers.Idefics3Processor(eyes, words, image_seq_len=4)
        text = ["<|im_start|>User:<image>A photo of<end_of_utterance>\nAssistant:"] * 3
        pictures = [[each] for each in pictures]  # type: ignore[misc]
    else:
        return
    expected = processor(images=pictures, text=text, return_tensors="pt", padding=True, padding_side="left")
    asked = built(family, prompt=prompt)
    mine = asked.family.lay_out(asked.loaded, [Image.fromarray(each) for each in batch_of(3).pictures])
    assert torch.equal(mine["input_ids"], expected["input_ids"])
    assert torch.equal(mine["attention_mask"], expected["attention_mask"])
    assert torch.equal(mine["pixel_values"], expected["pixel_values"])


def test_qwen_gets_as_many_image_tokens_as_its_tower_makes(tmp_path: Path) -> None:
    _saved.setdefault("qwen2-vl", save_tiny_hub_model("qwen2-vl", tmp_path / "qwen"))
    captioner = built("qwen2-vl", prompt="What is it?")
    inputs = captioner.family.lay_out(
        captioner.loaded, [Image.new("RGB", (64, 32)), Image.new("RGB", (32, 32))]
    )
    tower = captioner.loaded.model.config.vision_config
    tokens = inputs["image_grid_thw"].prod(dim=1) // tower.spatial_merge_size**2
    assert (inputs["input_ids"] == 4).sum(dim=1).tolist() == tokens.tolist() == [8, 4]
    assert captioner.loaded.tokenizer.decode(inputs["input_ids"][1], skip_special_tokens=False).endswith(
        "<|vision_end|>What is it?<|im_end|>\n<|im_start|>assistant\n"
    )


class TestWhatIsMissing:
    def refused(self, match: str, **options: Any) -> None:
        with pytest.raises(ModelUnavailable, match=match):
            HubCaptioner(HubOptions(**options), device="cpu")

    def test_no_model_is_named(self) -> None:
        self.refused("CAPTIONER_HUB_MODEL does not say which")

    def test_a_model_that_is_not_here_says_how_to_get_it_and_nothing_is_fetched(self) -> None:
        self.refused("hf download Salesforce/blip-image-captioning-base --revision 89b09ea.*CAPTIONER_HUB_DOWNLOAD",
                     model="Salesforce/blip-image-captioning-base", revision="89b09ea")  # fmt: skip

    def test_a_folder_that_is_empty(self, tmp_path: Path) -> None:
        self.refused("CAPTIONER_HUB_MODEL", model=str(tmp_path))

    def test_pickled_weights(self, tmp_path: Path) -> None:
        folder = save_tiny_hub_model("vit-gpt2", tmp_path)
        weights = folder / "model.safetensors"
        from safetensors.torch import load_file

        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
        self.refused("safetensors", model=str(folder))

    def test_damaged_weights(self, tmp_path: Path) -> None:
        folder = save_tiny_hub_model("vit-gpt2", tmp_path)
        (folder / "model.safetensors").write_bytes(b"not any more")
        self.refused("can't be loaded", model=str(folder))

    def test_another_kind_of_model(self, tmp_path: Path) -> None:
        folder = save_tiny_hub_model("vit-gpt2", tmp_path)
        self.change(folder, model_type="clip")
        self.refused("'clip' .* blip, blip-2, git, .*qwen2_vl", model=str(folder))

    def test_a_model_that_brings_code_is_never_run(self, tmp_path: Path) -> None:
        folder = save_tiny_hub_model("vit-gpt2", tmp_path)
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        self.change(folder, model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
        self.refused("'evil' are not known", model=str(folder))
        self.change(folder, model_type="vision-encoder-decoder")  # pretends to be one of ours
        HubCaptioner(HubOptions(model=str(folder)), device="cpu")
        assert not (tmp_path / "ran").exists()

    def change(self, folder: Path, **values: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))


def test_a_confidence_counts_the_first_end_and_nothing_behind_it() -> None:
    tokens = torch.tensor([[5, 9, 9, 9], [5, 6, 7, 8]])
    sure = torch.log(torch.tensor([[0.5, 0.125, 0.9, 0.9], [0.5, 0.5, 0.5, 0.5]]))
    assert hub.confidences(tokens, sure, [9]) == pytest.approx([0.25, 0.5])


def test_ids_are_legible() -> None:
    options = HubOptions(model="Salesforce/blip-image-captioning-base", revision="0123456789abcdef")
    name = options.model_id(Decoding.parse("beam4"))
    assert name.startswith("hub-blip-image-captioning-base@0123456789ab-")
    assert name.endswith("-beam4")
    assert (
        len(HubOptions(model="/x/" + "y" * 300, revision="z" * 300).model_id(Decoding.parse("nucleus0.95")))
        <= 120
    )
    assert (
        np.unique([HubOptions(model=each).model_id(Decoding()) for each in ("a/x", "b/x", "a/x/")]).size == 3
    )


def test_no_judge_chooses_for_a_model_of_the_hub() -> None:
    chosen = Decoding(num_beams=2, match_weight=5.0)
    assert hub_arguments(chosen) == hub_arguments(Decoding(num_beams=2))
    assert HubOptions(model="a/x").model_id(chosen) == HubOptions(model="a/x").model_id(Decoding(num_beams=2))
