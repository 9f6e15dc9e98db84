"""The evaluation itself: figures by hand, a folder of products, and made-up visitors."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from core.errors import InvalidInput
from recommender.evaluation.behaviour import evaluate
from recommender.evaluation.products import read_products
from recommender.evaluation.ranking import best_of, judged, ndcg
from recommender.evaluation.simulation import read_parameters, simulate

COLUMNS = "image,gender,articleType,baseColour,productDisplayName\n"


def test_ndcg_by_hand() -> None:
    gains = np.array([[0, 2, 1, 0]], dtype=np.float32)
    found = np.array([[1, 0, 2]], dtype=np.float32)  # gains of what was listed
    assert ndcg(found, gains) == pytest.approx((1 + 2 / 2) / (2 + 1 / np.log2(3)))
    assert ndcg(np.array([[2, 1, 0]], np.float32), gains) == pytest.approx(1.0)


def test_figures_of_lists() -> None:
    gains = np.array([[0, 2, 1, 0], [2, 0, 0, 1]], dtype=np.float32)
    looks = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    told = judged(np.array([[1, 2], [0, 1]]), gains, looks)
    assert told.precision.tolist() == [1.0, 0.5]
    assert told.coverage == 0.75
    assert told.diversity == pytest.approx(0.5)  # one list of two unlike things, one of two alike
    assert set(told.as_json()) == {"ndcg10", "precision10", "coverage", "diversity", "ci95"}


def test_the_best_columns_come_in_order() -> None:
    assert best_of(np.array([[0.1, 0.9, 0.5, 0.7]], np.float32), 3).tolist() == [[1, 3, 2]]


def products(folder: Path, rows: list[str]) -> Path:
    (folder / "images").mkdir()
    for row in rows:
        colour = row.split(",")[3].lower()
        Image.new("RGB", (32, 32), colour).save(folder / "images" / row.split(",")[0])
    (folder / "items.csv").write_text(COLUMNS + "\n".join(rows) + "\n")
    return folder


SHOP = [
    "1.jpg,Men,Shirts,red,Plain red shirt for men",
    "2.jpg,Men,Shirts,red,Another red shirt for men",
    "3.jpg,Women,Shirts,blue,Blue shirt",
    "4.jpg,Men,Shoes,red,Red shoe",
    "5.jpg,Men,Bags,green,Green bag",
]


def test_gains_are_two_for_the_same_thing_and_one_for_the_same_type(tmp_path: Path) -> None:
    read = read_products(products(tmp_path, SHOP))
    assert read.gains[0].tolist() == [0, 2, 1, 0, 0]
    assert read.queries.tolist() == [0, 1, 2]  # nothing is related to the shoe and the bag


def test_everything_that_is_wrong_with_a_folder_is_said_at_once(tmp_path: Path) -> None:
    folder = products(tmp_path, SHOP)
    (folder / "images" / "2.jpg").unlink()
    (folder / "items.csv").write_text(COLUMNS + "\n".join([*SHOP, "1.jpg,,Shirts,red,Name"]))
    with pytest.raises(
        InvalidInput, match=r"(?s)line 3: images/2.jpg does not exist.*line 7: gender is empty"
    ):
        read_products(folder)
    (folder / "items.csv").write_text("image,gender\n")
    with pytest.raises(InvalidInput, match="articleType, baseColour, productDisplayName"):
        read_products(folder)


def test_the_command_prints_one_object_and_needs_no_database(
    tmp_path: Path, settings: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioning.active._has_promotions", lambda: False)  # as before `migrate`
    settings.VAR_DIR = tmp_path / "var"
    dataset = str(products(tmp_path, SHOP))
    call_command("evaluate_recommender", "--dataset", dataset, "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["n_queries"] == 3
    assert list(report["picture_only"]) == ["random", "look", "caption", "blended"]
    assert list(report["with_text"]) == ["random", "text", "look", "caption", "blended"]
    assert report["picture_only"]["look"]["ndcg10"] <= 1.0
    (cache,) = (tmp_path / "var" / "evaluation" / "products").iterdir()
    written = {file: file.stat().st_mtime_ns for file in cache.iterdir()}
    call_command("evaluate_recommender", "--dataset", dataset, "--json")
    assert json.loads(capsys.readouterr().out) == report
    assert {file: file.stat().st_mtime_ns for file in cache.iterdir()} == written


def test_a_folder_that_is_none_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"items\.csv does not exist"):
        call_command("evaluate_recommender", "--dataset", str(tmp_path))


class TestSimulation:
    small = dataclasses.replace(read_parameters(), persons=60, strangers=20, items=60)

    def test_the_same_parameters_make_the_same_world(self) -> None:
        one, two = simulate(self.small), simulate(self.small)
        assert np.array_equal(one.before.items, two.before.items)
        assert np.array_equal(one.after.clicked, two.after.clicked)

    def test_strangers_were_never_there_before(self) -> None:
        world = simulate(self.small)
        assert world.before.persons.max() < world.strangers_from <= world.after.persons.max()
        assert world.before.at_s.max() < world.split_s <= world.after.at_s.min()

    def test_persons_click_what_is_like_what_they_clicked_but_in_the_control(self) -> None:
        told = [self._likeness(simulate(self.small, control=control)) for control in (False, True)]
        assert told[0] > 0.02 > abs(told[1])

    def _likeness(self, world: Any) -> float:
        """How much nearer two clicks of one person are to each other than to what others clicked."""
        log = world.before
        persons, vectors = log.persons[log.clicked], world.content[log.items[log.clicked]]
        cosines = vectors @ vectors.T
        same = (persons[:, None] == persons) & ~np.eye(len(persons), dtype=bool)
        return float(cosines[same].mean() - cosines[persons[:, None] != persons].mean())

    def test_behaviour_helps_where_there_is_something_to_learn_and_only_there(self) -> None:
        world = dataclasses.replace(read_parameters(), persons=700, strangers=150, items=150)
        told = evaluate(world)
        assert told["with_preferences"]["personal_above_content"]["share"] > 0.1
        assert told["with_preferences"]["personal_above_content"]["ci95"][0] > 0
        assert told["control"]["personal_above_content"]["ci95"][0] <= 0
        assert told["with_preferences"]["strangers_above_popularity"]["share"] > -0.2
