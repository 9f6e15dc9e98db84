"""The evaluation commands as their user runs them: on a folder, in a process of their own, with fast models."""

import json
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import DamerauLevenshtein

from search.evaluation.misspelling import misspell
from tests.search.datasets import coloured_dataset
from tests.search.processes import manage

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return coloured_dataset(tmp_path, "dev", ["A {} picture .", "Something {} ."], colours=COLOURS)


def test_evaluate_search_prints_one_json_object_with_all_modes(dataset: Path) -> None:
    done = manage("evaluate_search", "--dataset", str(dataset), "--split", "dev", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n_images"], report["n_queries"]) == (4, 8)
    assert set(report) == {"n_images", "n_queries", "image", "caption", "keyword", "hybrid"}
    for mode in ("image", "keyword", "hybrid"):
        assert report[mode] == {"r1": 1.0, "r5": 1.0, "r10": 1.0, "mrr": 1.0}, mode
    # "Something red" shares one word of three with the caption of every picture that is not red: none
    assert report["caption"]["r1"] == 1.0


def test_spelling_is_measured_on_queries_with_one_edit(dataset: Path) -> None:
    done = manage("evaluate_search", "--dataset", str(dataset), "--misspelt", "8", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["plain"]["hybrid"]["r1"] == report["plain_read"]["hybrid"]["r1"] == 1.0
    assert report["misspelt"]["keyword"]["r1"] < report["misspelt_read"]["keyword"]["r1"]
    assert report["shares"]["plain_changed"] == 0.0
    assert report["shares"]["restored"] > 0.0
    told = manage("evaluate_search", "--dataset", str(dataset), "--misspelt", "2").stdout
    assert "misspelt_read:" in told
    assert "restored" in told


def test_a_query_is_misspelt_by_one_edit() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        text = misspell("A dog on the Beach .", random)
        (changed,) = [word for word in text.split(" ") if word not in {"A", "dog", "on", "the", "."}]
        assert DamerauLevenshtein.distance("Beach", changed) == 1
    assert misspell("A dog on the .", random) == "A dog on the ."


def test_no_misspelt_queries_are_refused(dataset: Path) -> None:
    done = manage("evaluate_search", "--dataset", str(dataset), "--misspelt", "0")
    assert done.returncode == 1
    assert "at least one" in done.stderr


def test_human_captions_are_asked_and_never_indexed(dataset: Path) -> None:
    """Queries about what no model saw find nothing by keyword, though their very words stand in captions.csv."""
    table = dataset / "captions.csv"
    table.write_text(
        "image,split,caption\n" + "\n".join(f"{name}.png,dev,zebra {name}ish" for name in COLOURS)
    )
    done = manage("evaluate_search", "--dataset", str(dataset), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["keyword"]["r10"] == 0.0


def test_evaluate_captioner_scores_a_split(dataset: Path) -> None:
    done = manage("evaluate_captioner", "--dataset", str(dataset), "--split", "dev", "--limit", "3", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["captioner"] == "fake-captioner"
    assert report["n_images"] == 3
    assert report["bleu1"] == pytest.approx(1.0, abs=1e-3)
    assert {
        "bleu2",
        "bleu3",
        "bleu4",
        "rouge_l",
        "meteor",
        "cider",
        "images_per_s",
        "decoding",
        "tokenizer",
    } <= set(report)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--split", "test"), "no split 'test'; it has dev"),
        (("--captions", "nowhere.csv"), "nowhere.csv does not exist"),
    ],
)
def test_a_wrong_folder_or_split_is_answered_with_what_there_is(
    dataset: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = manage("evaluate_search", "--dataset", str(dataset), *arguments)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
