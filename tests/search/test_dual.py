"""The towers and their training, at toy size."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from captioning.training.dataset import read_dataset
from captioning.vision.backbone import EfficientNetLite2
from captioning.vision.frames import FrameBatch
from core.errors import ModelUnavailable
from search.embedders import dual, minilm
from search.embedders.looks import LOOKS, PLAIN, looked_at
from search.embedders.minilm import sentence_means
from search.embedders.querybank import Querybank
from search.embedders.towers import DualTowers, TowerShape
from search.embedders.tuned_text import TunedText
from search.embedders.zero_shot import ZeroShot
from search.evaluation.fitting import fitted, fused_matrix
from search.training.dual import DualConfig, contrastive_loss, soft_targets, train
from search.training.recall import recall_at

SHAPE = TowerShape(
    members=2, member_dimension=16, heads=2, zero_shot_share=0.25, querybank_sentences=20, querybank_axes=8
)


@pytest.fixture
def towers() -> DualTowers:
    torch.manual_seed(0)
    towers = DualTowers(SHAPE).eval()
    towers.zero_shot.classes.normal_()
    return towers


@torch.no_grad()
def test_joint_vectors_have_unit_length_and_mix_the_members_cosines(towers: DualTowers) -> None:
    grid, logits = torch.randn(3, 81, 1280), torch.randn(3, 1000)
    states, mask = torch.randn(3, 5, 384), torch.ones(3, 5, dtype=torch.bool)
    images, texts = towers.images(grid, logits), towers.texts(states, mask)
    assert images.shape == texts.shape == (3, SHAPE.dimension)
    torch.testing.assert_close(images.norm(dim=-1), torch.ones(3))

    members = [
        (image(grid) * text(states, mask)).sum(-1)
        for image, text in zip(towers.image_towers, towers.text_towers, strict=True)
    ]
    zero_shot = (towers.zero_shot.images(logits) * towers.zero_shot.texts(sentence_means(states, mask))).sum(
        -1
    )
    expected = 0.75 * (members[0] + members[1]) / 2 + 0.25 * zero_shot
    # An empty bank is near to no picture, so the number that texts spend on it only shrinks all scores alike.
    torch.testing.assert_close((images * texts).sum(-1), expected / math.sqrt(2))


@torch.no_grad()
def test_padding_behind_a_text_changes_nothing(towers: DualTowers) -> None:
    states = torch.randn(1, 4, 384)
    padded = torch.cat([states, torch.randn(1, 3, 384)], dim=1)
    mask = torch.tensor([[True] * 4 + [False] * 3])
    torch.testing.assert_close(towers.texts(padded, mask), towers.texts(states, mask[:, :4]))


@torch.no_grad()
def test_a_hub_comes_behind_the_picture_that_is_near_to_this_text_only() -> None:
    torch.manual_seed(0)
    hub, own = torch.eye(12)[0], torch.eye(12)[1]
    texts = torch.nn.functional.normalize(hub + 0.2 * torch.randn(40, 12), dim=-1)
    asked = torch.nn.functional.normalize(hub + 0.9 * own, dim=-1)
    pictures = torch.stack([own, hub])
    bank = Querybank(sentences=40, axes=12, dimension=12)
    bank.build(texts)
    torch.testing.assert_close(
        bank.closeness(pictures), ((30 * pictures @ texts.T).logsumexp(-1) - math.log(40)) / 30
    )

    assert float(asked @ own) < float(asked @ hub)
    near, far = bank.images(pictures) @ bank.texts(asked[None])[0]
    assert float(near) > float(far)
    torch.testing.assert_close(bank.images(pictures).norm(dim=-1), torch.ones(2))


@torch.no_grad()
def test_a_bank_of_fewer_sentences_than_axes_is_as_exact() -> None:
    texts = torch.nn.functional.normalize(torch.randn(3, 12), dim=-1)
    bank = Querybank(sentences=3, axes=8, dimension=12)
    bank.build(texts)
    torch.testing.assert_close(bank.coordinates @ bank.axes + bank.mean, texts)


@torch.no_grad()
def test_a_picture_of_one_sure_class_lies_where_the_class_lies() -> None:
    zero_shot = ZeroShot()
    zero_shot.classes.normal_()
    logits = torch.full((1, 1000), -50.0)
    logits[0, 281] = 50.0
    cosine = torch.cosine_similarity(zero_shot.images(logits), zero_shot.classes[281:282])
    assert float(cosine) == pytest.approx(1.0, abs=1e-5)


def test_soft_targets_are_shares_and_mostly_the_pair_itself() -> None:
    sentences = torch.nn.functional.normalize(torch.randn(6, 384), dim=-1)
    truth = soft_targets(sentences, softness=0.1)
    torch.testing.assert_close(truth.sum(dim=1), torch.ones(6))
    assert bool((truth.diagonal() > 0.9).all())


def test_the_loss_is_lowest_for_pairs_that_match() -> None:
    pairs = torch.nn.functional.normalize(torch.randn(8, 16), dim=-1)
    truth = torch.eye(8)
    right = contrastive_loss(pairs, pairs, torch.tensor(20.0), truth)
    wrong = contrastive_loss(pairs, pairs.roll(1, dims=0), torch.tensor(20.0), truth)
    assert float(right) < float(wrong)


def test_towers_come_back_as_they_were_saved(
    towers: DualTowers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioning.vision.backbone.weights_sha256", lambda: "backbone")
    monkeypatch.setattr("search.embedders.minilm.weights_sha256", lambda: "text")
    model_id = dual.save_towers(tmp_path, towers, SHAPE)
    manifest, again = dual.load_towers(tmp_path)
    assert (manifest["model_id"], manifest["dimension"]) == (model_id, SHAPE.dimension)
    for name, weight in towers.state_dict().items():
        step = weight.abs().max() / 127
        torch.testing.assert_close(again.state_dict()[name], weight, rtol=1e-3, atol=float(step))
    grid, logits = torch.randn(3, 81, 1280), torch.randn(3, 1000)
    torch.testing.assert_close(
        again.eval().images(grid, logits), towers.images(grid, logits), rtol=0, atol=0.01
    )

    monkeypatch.setattr("search.embedders.minilm.weights_sha256", lambda: "another")
    with pytest.raises(ModelUnavailable, match="other base weights"):
        dual.load_towers(tmp_path)


@pytest.mark.models
@torch.no_grad()
def test_towers_with_a_last_stage_of_their_own_begin_with_what_the_shared_backbone_sees(
    tmp_path: Path,
) -> None:
    shape = replace(SHAPE, backbone="last_stage")
    towers = DualTowers(shape).eval()
    backbone = EfficientNetLite2("cpu")
    pixels = np.random.default_rng(0).integers(0, 255, (2, 260, 260, 3), dtype=np.uint8)
    features = backbone.encode(pixels)
    assert features.trunk is not None
    grid = towers.grid(torch.from_numpy(features.trunk))
    alike = torch.cosine_similarity(grid.flatten(1), torch.from_numpy(features.grid).float().flatten(1))
    assert bool((alike > 0.999).all())

    assert towers.last_stage is not None
    for weight in towers.last_stage.parameters():
        weight.mul_(1.05)  # learned
    dual.save_towers(tmp_path, towers, shape)
    encoder = dual.DualEncoder(str(tmp_path), device="cpu")
    vectors = encoder.embed_frames(FrameBatch(pixels, features), [(), ()])
    expected = towers.images(torch.from_numpy(features.trunk), torch.from_numpy(features.logits))
    assert (vectors * expected.numpy()).sum(axis=1) == pytest.approx(1.0, abs=0.01)
    sentences = [["a dog", "noise"], ["a dog"]]
    one, other = encoder.match(FrameBatch(pixels, features), sentences)
    np.testing.assert_allclose(one, encoder.embed_queries(["a dog", "noise"]) @ vectors[0], atol=1e-3)
    np.testing.assert_allclose(other, encoder.embed_queries(["a dog"]) @ vectors[1], atol=1e-3)
    with pytest.raises(ModelUnavailable, match="BACKBONE"):
        encoder.embed_frames(FrameBatch(pixels, replace(features, trunk=None)), [(), ()])


@pytest.mark.models
@torch.no_grad()
def test_tuned_layers_begin_with_what_the_sentence_encoder_says() -> None:
    read = minilm.shared("cpu").read(["a dog runs", "two cats asleep on a sofa"], layers=2)
    heard = TunedText(2).eval()(read.before, read.mask)
    torch.testing.assert_close(heard[read.mask], read.states[read.mask], atol=1e-4, rtol=1e-3)
    assert minilm.shared("cpu").read(["a dog"]).before.shape == (1, 4, minilm.DIMENSION)


def test_a_mirror_turns_and_a_nearer_look_leaves_out_what_stands_at_the_edge() -> None:
    picture = np.zeros((1, 260, 260, 3), dtype=np.uint8)
    picture[:, :, :18] = 255
    assert looked_at(picture, PLAIN) is picture
    assert looked_at(picture, "mirror")[0, :, -18:].min() == 255
    assert looked_at(picture, "near").shape == picture.shape
    assert looked_at(picture, "near").max() == 0


@pytest.mark.models
@torch.no_grad()
def test_a_vector_is_that_of_the_mean_of_all_looks_and_is_made_once(
    towers: DualTowers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = dual.save_towers(tmp_path, towers, replace(SHAPE, looks=LOOKS))
    assert model_id.endswith("-4looks")
    encoder, backbone = dual.DualEncoder(str(tmp_path), device="cpu"), EfficientNetLite2("cpu")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 260, 260, 3), dtype=np.uint8)
    frames = FrameBatch(pixels, backbone.encode(pixels))
    seen = [backbone.encode(looked_at(pixels, look)) for look in LOOKS]
    read = [(torch.from_numpy(each.grid).float(), torch.from_numpy(each.logits)) for each in seen]
    mean = sum(encoder.towers.images(*each)[:, :-1] for each in read)
    assert isinstance(mean, torch.Tensor)
    vectors = encoder.embed_frames(frames, [()] * 3)
    cosines = torch.cosine_similarity(torch.from_numpy(vectors[:, :-1]), mean)
    torch.testing.assert_close(cosines, torch.ones(3), rtol=0, atol=1e-3)

    monkeypatch.setattr(encoder, "backbone", None)  # another look would fail
    encoder.match(frames, [["a dog"], [], []])
    np.testing.assert_array_equal(encoder.embed_frames(frames.rows([2, 0]), [(), ()]), vectors[[2, 0]])


@pytest.mark.models
def test_training_goes_on_with_a_last_stage_of_its_own_and_from_where_it_stopped(tmp_path: Path) -> None:
    folder, noise = tmp_path / "photos", np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = ["image,split,caption"]
    for number in range(6):
        picture = Image.fromarray(noise.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((64, 64))
        picture.save(folder / "images" / f"{number}.png")
        split = "calib" if number > 3 else "train"
        rows += [f"{number}.png,{split},picture {number}", f"{number}.png,{split},number {number} again"]
    (folder / "captions.csv").write_text("\n".join(rows))
    dataset = read_dataset(folder)
    first = DualConfig(shape=SHAPE, epochs=1, views=("plain",), device="cpu")
    train(dataset, first, tmp_path / "first", tmp_path)

    config = DualConfig.with_last_stage(tmp_path / "first" / "best")
    config = replace(config, epochs=2, views=("plain", "mirror"), warmup_steps=1, device="cpu")
    train(dataset, replace(config, epochs=1), tmp_path / "run", tmp_path)
    best = train(dataset, config, tmp_path / "run", tmp_path)
    assert set(best) == {"r1", "r5", "r10", "mrr"}
    manifest, towers = dual.load_towers(tmp_path / "run" / "best")
    assert manifest["shape"]["backbone"] == "last_stage"
    assert manifest["shape"]["text_layers"] == 2
    assert towers.last_stage is not None
    begun = DualTowers(config.shape).last_stage
    assert begun is not None
    moved = [
        (a - b).abs().max() for a, b in zip(towers.last_stage.parameters(), begun.parameters(), strict=True)
    ]
    assert max(moved) > 0
    encoder = dual.DualEncoder(str(tmp_path / "run" / "best"), device="cpu")
    read = minilm.shared("cpu").read(["picture 1"], layers=2)
    assert encoder.towers.tuned_text is not None
    with torch.inference_mode():
        heard = encoder.towers.tuned_text(read.before, read.mask)
        expected = encoder.towers.texts(read.states, read.mask, heard).numpy()
    assert float((heard - read.states).abs().max()) > 1e-4  # learned, too
    np.testing.assert_allclose(encoder.embed_queries(["picture 1"]), expected, atol=1e-4)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["epoch"] == 2


def test_fitting_trusts_the_signal_that_knows_and_ignores_noise() -> None:
    random = np.random.default_rng(0)
    owners = np.arange(60) % 20
    noise = random.random((60, 20), dtype=np.float32)
    knows = 0.3 * random.random((60, 20), dtype=np.float32)
    knows[np.arange(60), owners] += 0.3
    weights = fitted({"knows": knows, "noise": noise}, owners)
    assert sum(one.weight for one in weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert weights["knows"].weight > weights["noise"].weight
    fused = recall_at(fused_matrix({"knows": knows, "noise": noise}, weights), owners)
    assert fused["r1"] >= recall_at(knows, owners)["r1"]
