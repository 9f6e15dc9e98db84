import json
from pathlib import Path

import pytest

from captioning.training.config import FinetuneConfig
from captioning.training.dataset import read_dataset, tidy_caption
from core.errors import InvalidInput


def dataset_folder(folder: Path, table: str, images: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Path:
    (folder / "images").mkdir()
    for name in images:
        (folder / "images" / name).write_bytes(b"not decoded here")
    (folder / "captions.csv").write_text(table, encoding="utf-8")
    return folder


def test_captions_are_grouped_by_split_and_image(tmp_path: Path) -> None:
    table = "image,split,caption\na.jpg,train,A cat .\na.jpg,train,A tabby .\nb.jpg,dev,一只狗\n"
    dataset = read_dataset(dataset_folder(tmp_path, table))
    assert dataset.split("train")[0].captions == ("A cat .", "A tabby .")
    assert dataset.split("dev")[0].captions == ("一只狗",)


def test_everything_wrong_is_listed_at_once(tmp_path: Path) -> None:
    table = "image,split,caption\na.jpg,train,  \nmissing.jpg,train,A dog\n"
    with pytest.raises(InvalidInput) as caught:
        read_dataset(dataset_folder(tmp_path, table))
    assert "line 2: the caption of a.jpg is empty" in str(caught.value)
    assert "line 3: images/missing.jpg does not exist" in str(caught.value)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="lacks the columns caption, split"):
        read_dataset(dataset_folder(tmp_path, "image,text\na.jpg,A dog\n"))


def test_an_unknown_split_is_answered_with_those_there_are(tmp_path: Path) -> None:
    dataset = read_dataset(dataset_folder(tmp_path, "image,split,caption\na.jpg,train,A dog\n"))
    with pytest.raises(InvalidInput, match="no split 'dev'; it has train"):
        dataset.split("dev")


@pytest.mark.parametrize(
    ("raw", "tidy"),
    [
        ("a dog runs .", "A dog runs."),
        ('" A dog , two cats . "', "A dog, two cats."),
        ("A dog's  bone", "A dog's bone."),
        ("Really ?", "Really?"),
    ],
)
def test_captions_are_tidied(raw: str, tidy: str) -> None:
    assert tidy_caption(raw) == tidy


def test_configuration_takes_overrides_and_survives_saving() -> None:
    config = FinetuneConfig().with_overrides(["epochs=2", "lora_rank=4", "base=/models/mine"])
    assert (config.epochs, config.architecture.lora_rank, config.base) == (2, 4, "/models/mine")
    assert FinetuneConfig.from_dict(json.loads(config.to_json())) == config


def test_an_unknown_configuration_key_names_the_allowed_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'epoch'; allowed: .*epochs"):
        FinetuneConfig().with_overrides(["epoch=2"])
