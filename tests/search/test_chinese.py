"""Queries in Chinese: told apart from other scripts, read in the space of the English encoder, learned at toy size."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from captioning.training.dataset import CaptionDataset, CaptionedImage, read_dataset
from captioning.training.stopping import StopOnSignal
from core.errors import InvalidInput, ModelUnavailable
from search.embedders import chinese, e5, minilm, multilingual
from search.embedders.chinese import ChineseShape, Translator
from search.embedders.scripts import beyond_latin
from search.embedders.towers import DualTowers, TowerShape
from search.embedders.tuned_reader import TunedReader
from search.training.chinese import STATE, ChineseConfig, network_to_train, train, truth_of
from search.training.chinese_lessons import (
    Corpus,
    Lesson,
    Spoken,
    Taught,
    dictionary_pairs,
)
from search.training.dual import contrastive_loss
from search.training.splits import TokenStates

SHAPE = ChineseShape(width=16, layers=1, heads=2, dropout=0.0)
ENTRIES = [
    {"simplified": "猫", "traditional": "貓", "definitions": ["cat", "CL:隻|只[zhi1]", "(coll.) modem"]},
    {"simplified": "骑马", "traditional": "騎馬", "definitions": ["to ride a horse"]},
    {"simplified": "北京", "traditional": "北京", "definitions": ["Beijing, capital of China"]},
    {"simplified": "喵", "traditional": "喵", "definitions": ["variant of 猫[mao1]"]},
]


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        ("a dog", False),
        ("ein Hündchen in der Straße, à côté", False),
        ("Ｆｕｌｌ ２ 🐶 !", False),
        ("", False),
        ("一只狗", True),
        ("一只 dog 在草地上", True),
        ("2只狗", True),
        ("犬と猫", True),
        ("две собаки", True),
    ],
)
def test_scripts_are_told_by_their_letters(text: str, beyond: bool) -> None:
    assert beyond_latin(text) is beyond


def test_a_dictionary_gives_words_with_their_meanings_and_no_names() -> None:
    pairs = dictionary_pairs(ENTRIES)
    assert pairs == [("猫", "cat, modem"), ("骑马", "ride a horse")]


@torch.no_grad()
def test_padding_behind_a_sentence_changes_nothing() -> None:
    network, states = Translator(SHAPE).eval(), torch.randn(1, 4, e5.DIMENSION)
    short, whole = torch.tensor([[True, True, False, False]]), torch.ones(1, 2, dtype=torch.bool)
    torch.testing.assert_close(network(states, short)[0, :2], network(states[:, :2], whole)[0])


@torch.no_grad()
def test_a_network_comes_back_within_a_few_thousandths(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Translator(SHAPE).eval()
    model_id = chinese.save_network(tmp_path, network, SHAPE)
    manifest, again = chinese.load_network(tmp_path)
    assert manifest["model_id"] == model_id
    read = torch.randn(1, 3, e5.DIMENSION), torch.ones(1, 3, dtype=torch.bool)
    torch.testing.assert_close(again.eval()(*read), network(*read), atol=0.02, rtol=0.02)


@pytest.fixture
def small_reader(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """Three layers in place of E5's."""
    torch.manual_seed(0)
    config = BertConfig(hidden_size=e5.DIMENSION, num_attention_heads=2, intermediate_size=8)
    config._attn_implementation = "eager"
    layers: list[nn.Module] = [BertLayer(config).eval() for _ in range(3)]
    monkeypatch.setattr(e5, "shared", lambda: SimpleNamespace(layers=layers))
    return layers


class TestTheTunedReader:
    shape = replace(SHAPE, tuned_layers=2, rank=2)

    def states(self) -> tuple[Tensor, Tensor]:
        return torch.randn(2, 3, e5.DIMENSION), torch.tensor([[True, True, True], [True, False, False]])

    @torch.no_grad()
    def test_it_begins_as_the_layers_that_it_changes(self, small_reader: list[nn.Module]) -> None:
        read, plain = TunedReader(2, rank=2), self.states()
        torch.testing.assert_close(read(*plain), minilm.through(small_reader[1:], *plain))

    def test_only_the_changes_learn(self, small_reader: list[nn.Module], tmp_path: Path) -> None:
        chinese.save_network(tmp_path / "start", Translator(SHAPE), SHAPE)
        config = ChineseConfig(shape=self.shape, start_from=str(tmp_path / "start"))
        network = network_to_train(config)
        network(*self.states()).sum().backward()
        still = {name for name, weight in network.named_parameters() if weight.grad is None}
        assert still == {name for name, _ in network.named_parameters() if name.startswith("reader.layers")}
        started = chinese.load_network(tmp_path / "start")[1].state_dict()
        assert all(torch.equal(network.state_dict()[name], weight) for name, weight in started.items())

    @torch.no_grad()
    def test_its_changes_alone_are_kept(self, small_reader: list[nn.Module], tmp_path: Path) -> None:
        network, plain = Translator(self.shape).eval(), self.states()
        assert network.reader is not None
        for change in network.reader.changes.parameters():
            change.normal_(std=0.1)
        chinese.save_network(tmp_path, network, self.shape)
        kept = load_file(tmp_path / chinese.WEIGHTS)
        assert any(name.startswith("reader.changes.1.5.widen") for name in kept)
        assert not any(name.startswith("reader.layers") for name in kept)
        _, again = chinese.load_network(tmp_path)
        told = again.eval()(*plain)
        torch.testing.assert_close(told, network(*plain), atol=0.05, rtol=0.05)
        assert again.reader is not None
        again.reader.settle()
        torch.testing.assert_close(again(*plain), told)


def test_a_damaged_encoder_is_refused(tmp_path: Path) -> None:
    chinese.save_network(tmp_path, Translator(SHAPE), SHAPE)
    with (tmp_path / chinese.WEIGHTS).open("ab") as damaged:
        damaged.write(b" ")
    with pytest.raises(ModelUnavailable, match="damaged"):
        chinese.load_network(tmp_path)


@pytest.mark.parametrize("base", ["reader_sha256", "text_encoder_sha256"])
def test_an_encoder_that_is_missing_or_learned_from_another_is_refused(tmp_path: Path, base: str) -> None:
    with pytest.raises(ModelUnavailable, match="train_chinese"):
        chinese.load_network(tmp_path / "nothing")
    chinese.save_network(tmp_path, Translator(SHAPE), SHAPE)
    manifest = json.loads((tmp_path / chinese.MANIFEST).read_text("utf-8"))
    (tmp_path / chinese.MANIFEST).write_text(json.dumps(manifest | {base: "another"}))
    with pytest.raises(ModelUnavailable, match="other sentence encoders"):
        chinese.load_network(tmp_path)


def test_sentences_of_one_picture_are_no_opposites() -> None:
    vectors, scale = torch.eye(3)[[0, 0, 1]], torch.tensor(20.0)
    alone = contrastive_loss(vectors, vectors, scale, truth_of(torch.tensor([0, 1, 2])))
    together = contrastive_loss(vectors, vectors, scale, truth_of(torch.tensor([5, 5, 2])))
    assert float(together) == pytest.approx(float(alone))  # both halves of a draw are right
    assert float(alone) == pytest.approx(math.log(2) * 2 / 3, abs=1e-3)


def test_only_the_captions_of_a_source_are_read(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.jpg")
    rows = ["image,split,source,caption", "a.jpg,dev,human,一只狗", "a.jpg,dev,machine,狗"]
    (tmp_path / "captions.csv").write_text("\n".join(rows), "utf-8")

    def captions(dataset: CaptionDataset) -> tuple[CaptionedImage, ...]:
        return dataset.split("dev")

    assert captions(read_dataset(tmp_path, source="human"))[0].captions == ("一只狗",)
    assert captions(read_dataset(tmp_path))[0].captions == ("一只狗", "狗")
    (tmp_path / "captions.csv").write_text("image,split,caption\na.jpg,dev,狗", "utf-8")
    with pytest.raises(InvalidInput, match="lacks the columns source"):
        read_dataset(tmp_path, source="human")


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch) -> Lesson:
    """Eight pictures, of each a sentence of two tokens; the towers are random."""
    torch.manual_seed(0)
    towers = DualTowers(TowerShape(member_dimension=16, heads=2, querybank_sentences=4, querybank_axes=2))
    width = len(towers.querybank.mean)
    pictures = functional.normalize(torch.randn(8, width), dim=-1)
    read = TokenStates(torch.randn(16, e5.DIMENSION).half(), torch.full((8,), 2))
    spoken = Spoken(read, torch.arange(8))
    told = Taught(read, functional.normalize(torch.randn(8, 384), dim=-1), pictures)
    none = TokenStates(torch.empty(0, e5.DIMENSION).half(), torch.empty(0, dtype=torch.long))
    indexed = functional.normalize(torch.cat([pictures, torch.zeros(8, 1)], dim=-1), dim=-1)
    lesson = Lesson(
        told, Taught(none, torch.empty(0, 384), torch.empty(0, width)), spoken, pictures, spoken, indexed
    )
    monkeypatch.setattr(
        "search.training.chinese.DualEncoder", lambda device: SimpleNamespace(towers=towers.eval())
    )
    monkeypatch.setattr("search.training.chinese.prepared", lambda *args: lesson)
    return lesson


CONFIG = ChineseConfig(
    shape=SHAPE, epochs=60, batch_size=8, learning_rate=2e-2, warmup_steps=2, ema=0.5, device="cpu"
)
NOTHING = CaptionDataset(Path(), {})
CORPUS = Corpus(english=NOTHING, translated=NOTHING, written=NOTHING, entries=ENTRIES)


def test_it_learns_which_sentence_belongs_to_which_picture(lesson: Lesson, tmp_path: Path) -> None:
    best = train(CORPUS, CONFIG, tmp_path)
    assert best["r1"] >= 0.9
    chinese.load_network(tmp_path / "best")


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    config = replace(CONFIG, epochs=4)
    train(CORPUS, config, whole)
    with monkeypatch.context() as asked:
        asked.setattr(StopOnSignal, "__enter__", _asked_at_once)
        train(CORPUS, config, parted)
    assert torch.load(parted / STATE, weights_only=True)["epoch"] == 1
    train(CORPUS, config, parted)
    ended = [torch.load(run / STATE, weights_only=True) for run in (whole, parted)]
    assert [state["epoch"] for state in ended] == [4, 4]
    for name, weight in ended[0]["network"].items():
        torch.testing.assert_close(ended[1]["network"][name], weight)


def _asked_at_once(stop: StopOnSignal) -> StopOnSignal:
    stop.requested = True
    return stop


@pytest.mark.models
class TestTheShippedEncoder:
    @pytest.fixture
    def reader(self) -> multilingual.Multilingual:
        return multilingual.shared("cpu")

    def test_english_words_that_it_has_as_wholes_are_known(self, reader: multilingual.Multilingual) -> None:
        assert reader.english.knows("beech")
        assert not reader.english.knows("bech")

    def test_english_is_read_as_before(self, reader: multilingual.Multilingual) -> None:
        texts = ["a dog runs on the grass", "two cats"]
        mixed = reader.sentences([texts[0], "一只猫", texts[1]])
        alone = minilm.shared("cpu").sentences(texts)
        torch.testing.assert_close(mixed[[0, 2]], alone, atol=1e-5, rtol=1e-4)
        assert mixed.shape == (3, minilm.DIMENSION)

    @pytest.mark.parametrize(
        ("said", "meant"),
        [
            ("一只狗在草地上奔跑", "a dog runs on the grass"),
            ("一個女孩在海灘上", "a girl on the beach"),
            ("骑自行车的男人", "a man riding a bicycle"),
            ("火车", "a train"),
            ("一只 cat 在沙发上", "a cat on a sofa"),
            # Nobody taught it these.
            ("男の人が自転車に乗る", "a man riding a bicycle"),
            ("девочка на пляже", "a girl on the beach"),
            ("개 두 마리가 잔디 위를 달린다", "a dog runs on the grass"),
            ("कुत्ता घास पर दौड़ता है", "a dog runs on the grass"),
        ],
    )
    def test_a_sentence_lies_nearest_to_what_it_means(
        self, reader: multilingual.Multilingual, said: str, meant: str
    ) -> None:
        others = [
            "a dog runs on the grass",
            "a girl on the beach",
            "a man riding a bicycle",
            "a train",
            "a cat on a sofa",
            "people in a restaurant",
        ]
        cosines: Tensor = reader.sentences([said]) @ reader.sentences(others).T
        assert others[int(cosines.argmax())] == meant
