import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def damaged_folder(folder: Path) -> Path:
    table = (
        "image,split,caption\na.png,train,A cat\ncut.jpg,train,A dog\ncut.jpg,train,A hound\na.png,dev, \n"
    )
    dataset_folder(folder, table, images=())
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(folder / "images" / "a.png")
    Image.fromarray(noise).save(folder / "images" / "cut.jpg")
    whole = (folder / "images" / "cut.jpg").read_bytes()
    (folder / "images" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def test_damaged_pictures_and_missing_splits_are_in_the_same_list(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_dataset(damaged_folder(tmp_path), needed_splits=("train", "dev"), decode=True)
    said = str(caught.value)
    assert "3 problems" in said
    assert "there is no split 'dev'" in said
    assert "line 3: images/cut.jpg can't be decoded" in said
    assert "line 5: the caption of a.png is empty" in said


def test_what_is_broken_can_be_left_out_and_is_told(tmp_path: Path) -> None:
    dataset = read_dataset(damaged_folder(tmp_path), needed_splits=("train",), decode=True, skip_broken=True)
    assert [image.path.name for image in dataset.split("train")] == ["a.png"]
    assert len(dataset.skipped) == 2
    with pytest.raises(InvalidInput, match="no split 'dev'"):
        read_dataset(tmp_path, needed_splits=("train", "dev"), skip_broken=True)


def test_a_table_in_another_encoding_is_refused_and_a_byte_order_mark_is_not(tmp_path: Path) -> None:
    folder = dataset_folder(tmp_path, "image,split,caption\na.jpg,train,Ein Hund\n")
    text = (folder / "captions.csv").read_text("utf-8")
    (folder / "captions.csv").write_text(text, encoding="utf-8-sig")
    assert read_dataset(folder).split("train")
    (folder / "captions.csv").write_bytes("image,split,caption\na.jpg,train,Grün\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_dataset(folder)


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
