"""Captioners trained in several ways and compared, at toy size, through the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from captioning.evaluation.bootstrap import interval
from captioning.evaluation.comparison import Comparison, Row, clip_score, wording, write_report
from captioning.evaluation.metrics import cider_of_each, score_captions
from captioning.training.arms import ARMS, FROM_SCRATCH, arms_named, stages
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from core.errors import InvalidInput
from search.evaluation.captioners import Bench
from tests.captioning.tiny import WALLS, four_walls, save_tiny_lm


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return four_walls(tmp_path / "walls", "A {} wall .", "The <{}> wall .")


def images_of(dataset: Path) -> tuple[CaptionedImage, ...]:
    return tuple(CaptionedImage(dataset / "images" / f"{name}.png", (f"A {name} wall.",)) for name in WALLS)


def test_an_interval_holds_the_mean_and_narrows_with_more_pictures() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 1000)
    few, many = interval(values[:50]), interval(values)
    assert few[0] < values[:50].mean() < few[1]
    assert many[0] < values.mean() < many[1]
    assert many[1] - many[0] == pytest.approx(4 * 0.2 / 1000**0.5, rel=0.15)
    assert many[1] - many[0] < few[1] - few[0]


def test_the_score_of_each_caption_has_the_score_of_all_as_its_mean() -> None:
    candidates = ["a dog runs", "a cat sleeps on a bed", "two boats"]
    references = [["a dog runs fast"], ["the cat sleeps"], ["two boats on a lake", "boats"]]
    each = cider_of_each(candidates, references, tokenizer="simple")
    assert each.shape == (3,)
    assert each.mean() == pytest.approx(score_captions(candidates, references, tokenizer="simple")["cider"])


def test_small_figures_of_wording_and_match() -> None:
    found = wording(["A dog runs.", "A dog runs.", "Two cats"])
    assert found == {"distinct": 2, "words": pytest.approx(8 / 3), "vocabulary": 5}
    assert clip_score(np.array([0.4, -0.2])) == pytest.approx(0.5)


def test_the_report_is_written_four_ways_and_shows_nothing_unescaped(dataset: Path, tmp_path: Path) -> None:
    captions = tuple(f"A <b>{name}</b> wall" for name in WALLS)
    rows = (
        Row(
            "plain", "as it is", captions, {"cider": 0.5, "cider_low": 0.4, "cider_high": 0.6, "meteor": None}
        ),
        Row("LoRA", "adapted", captions, {"cider": 0.7, "trained_parameters": 1234567.0}),
    )
    write_report(Comparison({"data": "walls"}, images_of(dataset), rows), tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| LoRA | 0.7 |  |  | 1,234,567 |" in text
    assert "METEOR" not in text
    assert "- LoRA: A &lt;b&gt;red&lt;/b&gt; wall" in text
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("data:image/webp") == 4
    assert "A &lt;b&gt;red&lt;/b&gt; wall" in page
    assert "<b>red" not in page
    assert len(json.loads((tmp_path / "report" / "report.json").read_text())["rows"]) == 2
    with Image.open(tmp_path / "report" / "report.png") as plot:
        assert plot.width > 500


def test_the_two_best_of_one_budget_get_the_full_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ciders = {"LoRA": 0.4, "top layers": 0.3, "prefix tuning": 0.5, FROM_SCRATCH: 0.9}
    monkeypatch.setattr(
        Bench,
        "_row",
        lambda _, arm, samples: Row(f"{arm.name} {samples}", "", (), {"cider": ciders[arm.name]}),
    )
    bench = Bench(dataset, (), (), "dev", FinetuneConfig(), tmp_path)
    arms = arms_named([f"{FROM_SCRATCH}=900", "LoRA", "top layers", "prefix tuning"])
    alone = [f"{FROM_SCRATCH} 900", "LoRA 16", "top layers 16", "prefix tuning 16"]
    assert [row.name for row in bench.rows(arms, 16)] == alone
    assert [row.name for row in bench.rows(arms, 16, 64)] == [*alone, "prefix tuning 64", "LoRA 64"]


@pytest.mark.models
def test_every_arm_stays_within_its_budget(dataset: Path, tmp_path: Path) -> None:
    images, base = images_of(dataset) * 30, FinetuneConfig(images_per_batch=10)
    for arm in ARMS:
        runs = stages(arm, 400, images, tmp_path / arm.name, base)
        assert sum(run.epochs * (run.images_per_epoch or 0) for run in runs) == pytest.approx(400, abs=4)
        assert len(runs) == (2 if arm.self_critical else 1)
    with pytest.raises(InvalidInput, match="can't be shown 'many' pictures"):
        arms_named(["LoRA=many"])


@pytest.mark.models
def test_the_command_trains_measures_and_goes_on_where_it_was(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--dataset", str(dataset), "--samples", "16", "--output", str(tmp_path / "out")]
    options += [
        "--set",
        f"base={save_tiny_lm(tmp_path / 'lm')}",
        "--set",
        "images_per_batch=4",
        "--set",
        "tracker=none",
    ]
    options += ["--arm", f"{FROM_SCRATCH}=32", "--arm", "LoRA, then self-critical"]
    call_command("compare_captioners", *options)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["name"] for row in report["rows"]] == [
        "from scratch, 32 samples",
        "LoRA, then self-critical, 16 samples",
    ]
    for row in report["rows"]:
        assert len(row["captions"]) == 4
        assert row["figures"]["trained_parameters"] > 1000
        assert row["figures"]["training_processor_s"] > 0.5
        assert row["figures"]["peak_mb"] > 100
        assert row["figures"]["cider_low"] <= row["figures"]["cider"] <= row["figures"]["cider_high"]
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("cost.json")}
    assert len(before) == 3
    call_command("compare_captioners", *options)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert "from scratch, 32 samples" in capsys.readouterr().out
    with pytest.raises(CommandError, match="another configuration"):
        call_command("compare_captioners", *options, "--set", "learning_rate=1e-5")
    with pytest.raises(CommandError, match="no arm 'magic'; there are from scratch"):
        call_command("compare_captioners", *options, "--arm", "magic")
