"""`calibrate_captions` at toy size: a tiny language model with random weights, calibrated and then applied."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from captioning.captioners.base import CaptionDraft
from captioning.captioners.decoding import Decoding
from captioning.captioners.visual import VisualCaptioner
from captioning.vision.frames import FrameBatch
from search.evaluation import confidence
from tests.captioning.captioner_contract import batch_of
from tests.captioning.tiny import save_tiny_checkpoint
from tests.fakes import PALETTE, FakeCaptioner

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confidence, "best_tokenizer", lambda: "simple")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Walls of ten colours in both splits, each described thrice."""
    folder = tmp_path / "walls"
    (folder / "images").mkdir(parents=True)
    rows = ["image,split,caption"]
    for split in ("calib", "dev"):
        for name, (colour, _) in PALETTE.items():
            Image.new("RGB", (60, 40), colour).save(folder / "images" / f"{split}-{name}.png")
            said = (f"a {name} picture", f"a picture of {name}", f"the {name} wall")
            rows += [f"{split}-{name}.png,{split},{text}" for text in said]
    (folder / "captions.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save_tiny_checkpoint(tmp_path / "checkpoint")


def test_the_command_calibrates_a_checkpoint_and_from_then_on_its_captioner_speaks_in_probabilities(
    dataset: Path, checkpoint: Path, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.CAPTIONER = "captioning.captioners.visual.VisualCaptioner"
    plot = tmp_path / "plot.png"
    call_command(
        *("calibrate_captions", "--dataset", str(dataset), "--captioner", str(checkpoint)),
        *("--plot", str(plot), "--json"),
    )
    figures = json.loads(capsys.readouterr().out)
    kept = json.loads((checkpoint / "confidence.json").read_text())
    raw = VisualCaptioner(str(checkpoint), str(tmp_path), "cpu", Decoding(num_beams=2))
    assert raw.calibration is None, "another decoding is another model"
    captioner = VisualCaptioner(str(checkpoint), str(tmp_path), "cpu")
    assert kept["model_id"] == figures["captioner"] == captioner.model_id
    assert plot.stat().st_size > 1000
    for draft in captioner.caption(batch_of(3)):
        assert captioner.calibration is not None
        assert draft.confidence == captioner.calibration(draft.evidence)
        assert draft.confidence != pytest.approx(np.exp(draft.evidence["log_confidence"]))


class Honest(FakeCaptioner):
    """Right where it is sure: it calls half of the colours wrong, and of these it is not."""

    model_id = "honest"

    def caption(self, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        return [self._told(draft) for draft in super().caption(frames, style)]

    def _told(self, draft: CaptionDraft) -> CaptionDraft:
        knows = draft.text.split()[1] in list(PALETTE)[::2]
        sure = -0.1 if knows else -0.9
        evidence = {"log_confidence": sure, "tokens": 4.0, "agreement": 0.0, "margin": 0.0}
        return CaptionDraft(draft.text if knows else "something else entirely", 0.5, evidence=evidence)


def test_what_is_wrong_becomes_unlikely_and_is_what_the_screen_sends(
    dataset: Path, settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "confidence.json"
    options = ("--dataset", str(dataset), "--review", "0.5", "--output", str(file))
    call_command(
        "calibrate_captions", *options, "--captioner", "tests.search.test_calibrate_captions.Honest", "--json"
    )
    figures = json.loads(capsys.readouterr().out)
    assert figures["right"] == {"calib": 0.5, "test": 0.5}
    assert figures["test"]["after"]["brier"] < 0.05 < figures["test"]["before"]["brier"]
    assert figures["test"]["after"]["ece"] < figures["test"]["before"]["ece"]
    assert figures["screen"]["worst tenth caught"] == 1
    assert figures["screen"]["wrong of the others"] == 0
    assert figures["worst tenth caught"]["confidence"]["0.1"] == 1
    assert json.loads(file.read_text())["model_id"] == "honest"


def test_a_captioner_without_evidence_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="fake-captioner tells no evidence"):
        call_command(
            "calibrate_captions", "--dataset", str(dataset), "--output", str(tmp_path / "never.json")
        )
    with pytest.raises(CommandError, match="no split 'test'"):
        call_command("calibrate_captions", "--dataset", str(dataset), "--test", "test")
