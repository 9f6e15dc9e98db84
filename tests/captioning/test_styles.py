"""Short, normal and detailed captions: learned as a few vectors, beside which everything stays as it was."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from captioning.captioners.architecture import Architecture
from captioning.captioners.base import CaptionDraft, caption_in_styles
from captioning.captioners.checkpoint import (
    MANIFEST,
    STYLES,
    WEIGHTS,
    is_of_styles,
    load_checkpoint,
    read_manifest,
    save_checkpoint,
)
from captioning.captioners.decoding import Decoding
from captioning.captioners.export import export
from captioning.captioners.styles import LEARNED, decoded_in
from captioning.captioners.visual import VisualCaptioner
from captioning.captioners.writing import write
from captioning.evaluation import captioner as evaluation
from captioning.evaluation.captioner import Captioned
from captioning.training.batches import BatchSource
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.training.optimization import make_optimizer
from captioning.training.self_critical import CiderD, SelfCriticalBatches, words_of
from captioning.training.styles import in_style, is_present_and_active, taught_in_style
from captioning.vision.frames import Features, FrameBatch
from core.errors import InvalidInput, ModelUnavailable
from tests.captioning.captioner_contract import batch_of
from tests.captioning.tiny import save_tiny_lm
from tests.fakes import FakeBackbone, FakeCaptioner

ARCHITECTURE = Architecture(visual_side=2, projector_width=16, tags_in_prompt=0, lora_rank=4)
LONG = "Two children play with a red ball on the beach."
CAPTIONS = ("A dog runs on the beach.", "A dog.", LONG, "A red dog.")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished checkpoint of toy size that knows no styles."""
    base = str(save_tiny_lm(tmp_path_factory.mktemp("lm")))
    folder = tmp_path_factory.mktemp("start")
    model = build_model(FinetuneConfig(base=base, architecture=ARCHITECTURE, device="cpu"), folder)
    with torch.no_grad():  # adapters start as zero; give them something to say
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    save_checkpoint(folder, model.trained_state(), base=base, architecture=ARCHITECTURE, decoding={})
    return folder


@pytest.fixture
def config(start: Path) -> FinetuneConfig:
    """Teaches styles, and nothing else."""
    return FinetuneConfig(
        trains="styles",
        start_from=str(start),
        architecture=Architecture(style_tokens=4),
        learning_rate=0.05,
        dropout=0.0,
        hint_dropout=0.0,
        device="cpu",
        views=("plain",),
    ).resolved()


@pytest.fixture
def styled(start: Path, config: FinetuneConfig, tmp_path: Path) -> Path:
    """The same checkpoint with styles, whose vectors are at random."""
    _, weights = load_checkpoint(start)
    torch.manual_seed(0)
    vectors = {f"styles.{style}": torch.randn(4, 32) for style in LEARNED}
    save_checkpoint(
        tmp_path / "styled",
        weights | vectors,
        base=config.base,
        architecture=config.architecture,
        decoding={},
    )
    return tmp_path / "styled"


def captioner(folder: Path, **decoding: int) -> VisualCaptioner:
    return VisualCaptioner(str(folder), "", "cpu", Decoding(**{"max_new_tokens": 6, **decoding}))


def source_of(config: FinetuneConfig, model: object, count: int) -> tuple[Tensor, tuple[object, ...]]:
    grid = np.random.default_rng(0).normal(size=(count, 81, 1280)).astype(np.float16)
    features = {"plain": Features(grid, np.zeros((count, 1000), np.float32))}
    images = [CaptionedImage(Path(f"{n}.png"), CAPTIONS) for n in range(count)]
    return torch.from_numpy(grid).float(), (images, features, {"plain": [["dog"]] * count}, model, config)


def test_a_style_is_shown_by_the_shortest_or_the_longest_captions() -> None:
    assert in_style(CAPTIONS, "short") == ["A dog.", "A red dog."]
    assert in_style(CAPTIONS, "detailed") == [LONG, CAPTIONS[0]]
    assert in_style(CAPTIONS, "normal") == list(CAPTIONS)
    assert in_style(CAPTIONS[:1], "short") == [CAPTIONS[0]]


def test_styles_are_learned_from_the_present_tense_and_the_active_voice() -> None:
    told = ("A dog was here .", "A cat sat .", "A dog runs .", "A dog sleeps .", "A dog is chased by a cat .")
    assert taught_in_style(told, "short") == ["A dog runs .", "A dog sleeps ."]
    assert taught_in_style(told[:2], "short") == ["A cat sat .", "A dog was here ."], "there are no others"
    assert taught_in_style(told, "normal") == list(told)
    for caption in (
        "A man dressed in red holds a dog .",
        "A hill covered in snow",
        "Boys being silly by a lake",
    ):
        assert is_present_and_active(caption)
    for caption in (
        "The ball is being thrown",
        "A girl is gently held by her mother",
        "They were swimming .",
    ):
        assert not is_present_and_active(caption)


def test_a_detailed_caption_may_be_twice_as_long() -> None:
    assert decoded_in("detailed", {"max_new_tokens": 10, "num_beams": 3}) == {
        "max_new_tokens": 20,
        "num_beams": 3,
    }
    assert decoded_in("short", {"max_new_tokens": 10}) == {"max_new_tokens": 10}


def test_styles_change_nothing_of_normal_captions_their_weights_or_their_id(
    start: Path, styled: Path
) -> None:
    assert (styled / WEIGHTS).read_bytes() == (start / WEIGHTS).read_bytes()
    for decoding in ({}, {"num_beams": 3}):
        plain, taught = captioner(start, **decoding), captioner(styled, **decoding)
        assert taught.model_id == plain.model_id
        assert taught.caption(batch_of(5)) == plain.caption(batch_of(5))


def test_each_style_is_another_prompt_and_says_so(styled: Path) -> None:
    writer = captioner(styled)
    assert writer.styles == ("short", "normal", "detailed")
    drafts = {style: writer.caption(batch_of(3), style) for style in writer.styles}
    assert all(draft.style == style for style, each in drafts.items() for draft in each)
    assert len({tuple(draft.text for draft in each) for each in drafts.values()}) == 3
    normal, short, detailed = (
        writer.model.prompt_ids(["dog"], style) for style in ("normal", "short", "detailed")
    )
    assert short[: len(normal)] == detailed[: len(normal)] == normal
    first, second = (writer.model.embed_text(torch.tensor(ids))[-4:] for ids in (short, detailed))
    torch.testing.assert_close(first, writer.model.styles["short"].to(first.dtype))
    torch.testing.assert_close(second, writer.model.styles["detailed"].to(first.dtype))


def test_a_style_that_was_not_learned_is_refused_with_those_that_were(start: Path, styled: Path) -> None:
    with pytest.raises(InvalidInput, match="'short' here; allowed: normal"):
        captioner(start).caption(batch_of(1), "short")
    with pytest.raises(InvalidInput, match="'shouted' here; allowed: short, normal, detailed"):
        captioner(styled).caption(batch_of(1), "shouted")


def test_damaged_styles_are_noticed_and_an_export_keeps_whole_ones(styled: Path, tmp_path: Path) -> None:
    exported = export(styled, tmp_path / "out", tmp_path)
    assert exported.styles_sha256 == read_manifest(styled).styles_sha256
    (styled / STYLES).write_bytes(b"something else")
    with pytest.raises(ModelUnavailable, match=f"{STYLES}.*{MANIFEST}"):
        load_checkpoint(styled)


def test_only_the_vectors_learn_and_the_prompt_then_decides_which_sentence_is_written(
    start: Path, config: FinetuneConfig, tmp_path: Path
) -> None:
    model = build_model(config, tmp_path).train()
    before = {name: weight.clone() for name, weight in model.trained_state().items()}
    grid, parts = source_of(config, model, 4)
    source = BatchSource(*parts)  # type: ignore[arg-type]
    optimizer = make_optimizer(model, config)
    losses = []
    for step in range(60):
        loss = loss_of(model, source._batch(range(4), random.Random(step)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    after = model.trained_state()
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert changed == {name for name in after if is_of_styles(name)} == {"styles.short", "styles.detailed"}
    model.eval()
    told = {
        style: write(model, grid, [["dog"]] * 4, style=style, max_new_tokens=8, do_sample=False)[0]
        for style in LEARNED
    }
    assert told["short"] != told["detailed"]


def test_training_goes_on_without_styles_and_teaches_them_anew(styled: Path, config: FinetuneConfig) -> None:
    again = replace(config, start_from=str(styled))
    assert again.resolved().architecture.style_tokens == 4
    model = build_model(again, Path())
    words = model.embed_text(torch.tensor(model.tokenizer.encode(" Briefly:", add_special_tokens=False)))
    torch.testing.assert_close(model.styles["short"][:4], words[:4].float())
    plain = FinetuneConfig(start_from=str(styled), device="cpu").resolved()
    assert plain.architecture.style_tokens == 0
    assert build_model(plain, Path()).known_styles == ("normal",)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"start_from": ""}, "start_from"),
        ({"architecture": Architecture()}, "style_tokens"),
        ({"trains": "captions"}, "style_tokens needs trains=styles"),
        ({"trains": "captain"}, "allowed: captions, styles"),
    ],
)
def test_what_can_t_be_trained_is_refused(
    config: FinetuneConfig, values: dict[str, str], problem: str
) -> None:
    with pytest.raises(InvalidInput, match=problem):
        replace(config, **values).resolved()  # type: ignore[arg-type]


def test_samples_of_every_style_share_a_batch(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, max_caption_tokens=12)
    model = build_model(config, tmp_path)
    _, parts = source_of(config, model, 12)
    source = SelfCriticalBatches(*parts)  # type: ignore[arg-type]
    asked: list[tuple[int, str]] = []

    def noted(index: int, text: str, style: str) -> float:
        asked.append((index, style))
        return float(len(asked))

    monkeypatch.setattr(source.reward, "score", noted)
    batch = source._batch(range(12), random.Random(0))
    told = dict(asked)
    assert set(told.values()) == set(LEARNED)
    for row in range(12):
        prompt = model.prompt_ids(["dog"], told[row])
        assert batch.ids[row, : len(prompt)].tolist() == prompt
    assert loss_of(model, batch).isfinite()


def test_a_style_is_rewarded_for_its_captions_and_their_length() -> None:
    reward = CiderD([[words_of(text) for text in CAPTIONS], ["a boat on a lake"], ["two men climb a rock"]])
    short, long = words_of("A red dog."), words_of("Two children play with a ball on the beach.")
    assert reward.score(0, short, "short") > 3 * reward.score(0, long, "short")
    assert reward.score(0, long, "detailed") > 3 * reward.score(0, short, "detailed")
    assert reward.score(0, long, "normal") == reward.score(0, long)


def test_frames_of_every_style_come_back_in_their_order_and_one_style_is_one_batch() -> None:
    asked: list[tuple[str, int]] = []

    class Noting(FakeCaptioner):
        styles = ("short", "normal")

        def caption(self, frames: FrameBatch, style: str = "normal") -> list[object]:  # type: ignore[override]
            asked.append((style, len(frames)))
            return super().caption(frames, style)  # type: ignore[return-value]

    colours = ((220, 30, 30), (30, 200, 30), (30, 30, 220))
    pixels = np.stack([np.full((260, 260, 3), colour, np.uint8) for colour in colours])
    batch = FrameBatch(pixels, FakeBackbone().encode(pixels))
    drafts = caption_in_styles(Noting(), batch, ["short", "detailed", "short"])  # type: ignore[arg-type]
    assert [(draft.text, draft.style) for draft in drafts] == [
        ("red", "short"),
        ("a green picture", "normal"),
        ("blue", "short"),
    ]
    assert asked == [("short", 2), ("normal", 1)]
    asked.clear()
    caption_in_styles(Noting(), batch, ["normal"] * 3)  # type: ignore[arg-type]
    assert asked == [("normal", 3)]


def test_a_report_says_how_captions_are_told_and_how_near_they_are_to_those_of_a_style(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "best_tokenizer", lambda: "simple")
    images = [
        CaptionedImage(
            Path(f"{colour}.png"), (f"A {colour} dog .", f"{colour} dog", f"{LONG} of {colour} sand", LONG)
        )
        for colour in ("red", "blue", "green")
    ]
    drafts = tuple(
        CaptionDraft(f"A {colour} dog was here .", 0.5, style="short") for colour in ("red", "blue")
    )
    drafts += (CaptionDraft("x" * 126, 0.5, style="short"),)
    figures = evaluation.report(FakeCaptioner(), images, Captioned(drafts, 1.0), split="dev")
    assert (figures["style"], figures["words"], figures["chars"]) == ("short", 4.3333, 55.6667)
    assert (figures["fit_alt_text"], figures["present_and_active"]) == (0.6667, 0.3333)
    assert figures["cider_short"] > 2 * figures["cider_detailed"]


def test_some_rows_of_a_batch_keep_all_that_is_read_of_them() -> None:
    numbers = np.arange(3)
    features = Features(
        grid=numbers.astype(np.float16).reshape(3, 1, 1),
        logits=numbers.astype(np.float32).reshape(3, 1),
        trunk=numbers.astype(np.float16).reshape(3, 1, 1, 1),
    )
    pixels = numbers.astype(np.uint8).reshape(3, 1, 1, 1)
    batch = FrameBatch(pixels, features, list(pixels), ["zero", "one", "two"]).rows([2, 0])
    assert batch.features.trunk is not None
    for array in (batch.pixels, batch.features.grid, batch.features.logits, batch.features.trunk):
        assert array.ravel().tolist() == [2, 0]
    assert [int(picture.max()) for picture in batch.pictures] == [2, 0]
    assert batch.contexts == ["two", "zero"]
