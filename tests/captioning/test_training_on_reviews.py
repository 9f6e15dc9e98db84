"""Reviewed captions beside base data: drawn in their share, never measured by what was trained on, resumed exactly."""

import json
import random
from collections import Counter
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from PIL import Image

from captioning import services
from captioning.captioners.checkpoint import read_manifest
from captioning.captioners.decoding import Decoding
from captioning.captioners.visual import VisualCaptioner
from captioning.models import Caption
from captioning.training.checkpoint import load_training_state
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage, read_dataset
from captioning.training.finetune import finetune_and_export
from captioning.training.history import HISTORY
from captioning.training.loop import finetune
from captioning.training.reviews import MOST_SHOWN, joined, mixed, score_of_both, without_leaks
from captioning.vision.backbone import EfficientNetLite2
from captioning.vision.context import CONTEXT_MAX_CHARS, context_of
from captioning.vision.frames import Features, FrameBatch
from captioning.vision.pixels import square_pixels
from core.errors import InvalidInput
from core.packages import file_sha256
from library.asset_store import store_upload
from library.frames import make_frames
from tests.captioning.interrupting import trained_in_pieces
from tests.captioning.tiny import WALLS, quick_config, save_tiny_lm
from tests.library.pictures import picture


def drawn(reviewed: int, share: float, size: int | None, seed: int = 0) -> tuple[int, Counter[int]]:
    order = mixed(range(100), range(100, 100 + reviewed), share, size, random.Random(seed))
    return sum(at < 100 for at in order), Counter(at for at in order if at >= 100)


def test_reviewed_pictures_get_their_share_of_an_epoch_in_turns() -> None:
    from_base, shown = drawn(10, 0.5, 40)
    assert (from_base, sum(shown.values())) == (20, 20)
    assert set(shown.values()) == {2}
    from_base, shown = drawn(400, 0.25, None)
    assert from_base == 100
    assert sum(shown.values()) == 33
    assert drawn(400, 0.25, None, seed=1)[1] != shown, "another epoch draws others"


def test_a_handful_of_reviews_is_not_shown_until_it_is_known_by_heart() -> None:
    from_base, shown = drawn(2, 0.5, 60)
    assert set(shown.values()) == {MOST_SHOWN}
    assert from_base == 60 - 2 * MOST_SHOWN, "the rest of the epoch is the base's"
    assert drawn(2, 0.0, None) == (100, Counter())


def test_features_of_two_caches_are_read_as_one() -> None:
    first, second = (
        Features(
            np.arange(n * 6, dtype=np.float16).reshape(n, 2, 3) + n, np.full((n, 4), n, dtype=np.float32)
        )
        for n in (3, 2)
    )
    both = joined(first, second)
    whole = np.concatenate([first.grid, second.grid])
    assert len(both) == 5
    for at in range(5):
        np.testing.assert_array_equal(both.grid[at], whole[at])
    for part in (slice(0, 2), slice(2, 4), slice(3, 9), slice(1, 1)):
        np.testing.assert_array_equal(both.grid[part], whole[part])
    assert both.logits[:, 0].tolist() == [3, 3, 3, 2, 2]


def test_no_photo_is_trained_on_in_one_place_and_measured_by_in_the_other(tmp_path: Path) -> None:
    def image(name: str, content: str) -> CaptionedImage:
        (tmp_path / name).write_text(content)
        return CaptionedImage(tmp_path / name, ("A wall.",))

    base = CaptionDataset(
        tmp_path, {name: (image(f"{name}.png", name),) for name in ("train", "dev", "calib")}
    )
    hashes = {name: file_sha256(tmp_path / f"{name}.png") for name in base.splits}
    new = image(f"{'0' * 64}.png", "new")
    seen = {name: image(f"{digest}.png", "any") for name, digest in hashes.items()}
    reviews = CaptionDataset(
        tmp_path, {"train": (new, *seen.values()), "dev": (*seen.values(),), "extra": ()}
    )
    clean = without_leaks(reviews, base)
    assert clean.splits == {"train": (new, seen["train"]), "dev": (seen["dev"], seen["calib"])}
    assert len(clean.skipped) == 3


def test_what_one_domain_loses_in_proportion_the_other_must_gain() -> None:
    assert score_of_both(0.5, 1.0, 100) > score_of_both(0.4, 1.2, 100)
    assert score_of_both(0.4, 1.3, 100) > score_of_both(0.5, 1.0, 100)
    assert score_of_both(0.5, 9.0, 5) == 0.5, "five pictures say nothing"


def test_context_is_one_bounded_line() -> None:
    assert context_of(" A day\nout ", ["beach", " ", "red  ball"]) == "A day out; beach, red ball"
    assert context_of("", ["beach"]) == "beach"
    assert context_of("") == ""
    assert len(context_of("word " * 200)) == CONTEXT_MAX_CHARS


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (["review_share=1"], "below 1"),
        (["review_share=2"], "share from 0 to 1"),
        (["context_share=0.5", "objective=cider"], "cross_entropy"),
    ],
)
def test_impossible_shares_are_refused(pairs: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        FinetuneConfig().with_overrides(pairs)


def made_dataset(folder: Path, rows: list[tuple[str, str, str, str]]) -> CaptionDataset:
    """Of rows of colour, split, caption and tags."""
    (folder / "images").mkdir(parents=True)
    lines = ["image,split,caption,tags"]
    for at, (colour, split, caption, tags) in enumerate(rows):
        Image.new("RGB", (300, 280 + at), WALLS[colour]).save(folder / "images" / f"{at}.png")
        lines.append(f'{at}.png,{split},{caption},"{tags}"')
    (folder / "captions.csv").write_text("\n".join(lines))
    return read_dataset(folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FinetuneConfig:
    return quick_config(save_tiny_lm(tmp_path_factory.mktemp("lm")), epochs=3, tracker="none")


@pytest.mark.models
def test_a_run_with_reviews_measures_both_and_goes_on_exactly_after_a_stop(
    config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    base = made_dataset(
        tmp_path / "base",
        [
            (colour, split, f"A {colour} wall.", "")
            for colour in ("red", "green")
            for split in ("train", "dev")
        ],
    )
    reviews = made_dataset(
        tmp_path / "reviews",
        [
            (colour, split, f"A {colour} sky.", "")
            for colour in ("blue", "white")
            for split in ("train", "dev")
        ],
    )
    seen: list[tuple[int, int]] = []
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    made = finetune_and_export(
        base, config, whole, cache, tmp_path / "out", reviews, lambda done, total: seen.append((done, total))
    )
    assert made is not None
    assert seen == [(step, 6) for step in range(1, 7)], "two pictures of each a step, two steps an epoch"
    rows = [json.loads(line) for line in (whole / HISTORY).read_text().splitlines()]
    measured = [row for row in rows if "score" in row]
    assert len(measured) == 3
    assert all(row["score"] == row["base_cider"] for row in measured), "two reviewed pictures decide nothing"
    assert all("reviews_cider" in row for row in measured)

    train, saving = reviews.split("train"), replace(config, checkpoint_every_s=0)
    trained_in_pieces(lambda told: finetune(base, saving, broken, cache, None, train, told), 3)
    one, other = load_training_state(whole), load_training_state(broken)
    assert one is not None
    assert other is not None
    for name, weight in one.weights.items():
        torch.testing.assert_close(other.weights[name], weight, msg=name)


@pytest.mark.models
def test_a_captioner_that_was_shown_context_reads_it_and_another_does_not(
    config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    words = {"beach": "A dog runs on the beach.", "rock": "A man climbs a rock."}
    rows = [("red", "train", said, tag) for tag, said in words.items()]
    dataset = made_dataset(tmp_path / "base", rows)
    for name, share, epochs in (("reads", 1.0, 60), ("ignores", 0.0, 1)):
        taught = replace(config, epochs=epochs, context_share=share, ema=0.0)
        finetune_and_export(dataset, taught, tmp_path / name, cache, tmp_path / f"{name}-out")
    pixels = np.stack([square_pixels(Image.open(image.path)) for image in dataset.split("train")] * 2)
    features = EfficientNetLite2("cpu").encode(pixels)

    def said(name: str, contexts: list[str]) -> list[str]:
        folder = tmp_path / f"{name}-out"
        captioner = VisualCaptioner(str(folder), str(cache), device="cpu", decoding=Decoding(num_beams=1))
        return [draft.text for draft in captioner.caption(FrameBatch(pixels, features, (), contexts))]

    told = ["beach", "rock", "rock", "beach"]
    assert read_manifest(tmp_path / "reads-out").architecture.reads_context
    for tag, text in zip(told, said("reads", told), strict=True):
        assert text.startswith(words[tag]), text
    assert said("ignores", told) == said("ignores", [])


@pytest.mark.models
@pytest.mark.django_db(transaction=True)
def test_the_command_trains_on_reviews_as_they_were_when_the_run_began(
    config: FinetuneConfig, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_run: Path) -> Path:
        raise KeyboardInterrupt

    alice = User.objects.create_user("alice")
    made_dataset(tmp_path / "base", [("red", split, "A red wall.", "") for split in ("train", "dev")])
    (tmp_path / "config.json").write_text(replace(config, epochs=1).to_json())
    settings.MODEL_CACHE_DIR = tmp_path / "cache"
    run = tmp_path / "run"

    def trained() -> str:
        out = StringIO()
        options = {"dataset": tmp_path / "base", "config": tmp_path / "config.json", "run": run}
        call_command("finetune_captioner", include_reviews=True, stdout=out, **options)
        return out.getvalue()

    with pytest.raises(CommandError, match="accepted, edited or written"):
        trained()
    with monkeypatch.context() as patch:
        patch.setattr("captioning.management.commands.finetune_captioner.frozen_reviews", interrupted)
        with pytest.raises(CommandError, match="Stopped before the first step"):
            trained()
    for seed in range(3):
        asset = store_upload(alice, BytesIO(picture(seed=seed)), name="a.jpg", visibility="public").asset
        services.edit_caption(make_frames(asset)[0], f"Photo {seed}.", alice)
    assert "is in" in trained()
    frozen = (run / "reviews" / "captions.csv").read_text()
    assert sum(f"Photo {seed}." in frozen for seed in range(3)) == 3
    Caption.objects.all().delete()
    assert "is in" in trained(), "a run that goes on asks nobody anew"
    assert (run / "reviews" / "captions.csv").read_text() == frozen
