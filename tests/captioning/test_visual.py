"""Our own captioner keeps what every captioner promises, here with a tiny language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import call_command
from django.core.management.base import CommandError
from numpy.typing import NDArray

from captioning.active import active_caption_model_id
from captioning.captioners.base import Captioner
from captioning.captioners.decoding import Decoding
from captioning.captioners.visual import VisualCaptioner
from captioning.services import captioner as active_captioner
from captioning.vision.frames import FrameBatch
from core import backends
from tests.captioning.captioner_contract import CaptionerContract, batch_of
from tests.captioning.tiny import save_tiny_checkpoint

JUDGE = "tests.captioning.test_visual.Contrary"


class Contrary:
    """A judge whose favourite is the sentence that the captioner likes least."""

    def match(self, frames: FrameBatch, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        assert len(sentences) == len(frames)
        return [np.linspace(0, 1, len(of_one), dtype=np.float32) for of_one in sentences]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp("visual"))


class TestVisualCaptioner(CaptionerContract):
    tolerance = 0.02  # the device's fast precision
    others = (
        {"decoding": Decoding(num_beams=2)},
        {"decoding": Decoding(num_beams=1)},
        {"decoding": Decoding(top_p=0.9)},
        {"decoding": Decoding(top_p=0.9, temperature=0.5)},
        {"decoding": Decoding(max_new_tokens=5)},
        {"decoding": Decoding(no_repeat_ngram_size=2)},
        {"decoding": Decoding(match_weight=50.0), "judge": JUDGE},
    )

    @pytest.fixture(autouse=True)
    def _from(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint

    def build(self, **changed: Any) -> Captioner:
        return VisualCaptioner(str(self.checkpoint), str(self.checkpoint), "cpu", **changed)

    def test_of_what_it_keeps_it_says_what_the_judge_prefers(self) -> None:
        frames = batch_of(3)
        plain = self.build().caption(frames)
        asked = self.build(decoding=Decoding(match_weight=50.0), judge=JUDGE)
        for own, chosen in zip(plain, asked.caption(frames), strict=True):
            assert own.alternatives, "nothing to choose from"
            assert chosen.text == own.alternatives[-1]
            assert set(chosen.alternatives) == {own.text, *own.alternatives[:-1]}
            assert chosen.evidence["match"] == 1.0
            assert own.evidence["match"] == 0.0
        assert asked.model_id.endswith("-beam3-agree0.1-match50-max6")

    def test_without_a_judge_the_weight_of_its_word_is_nothing_and_the_name_says_so(self) -> None:
        alone = self.build(decoding=Decoding(match_weight=50.0))
        assert alone.model_id == self.build().model_id
        assert [each.text for each in alone.caption(batch_of(2))] == [
            each.text for each in self.build().caption(batch_of(2))
        ]

    @pytest.mark.parametrize(("size", "again"), [(0, True), (1, False)])
    def test_no_run_of_tokens_comes_twice_where_that_is_asked_for(
        self, monkeypatch: pytest.MonkeyPatch, size: int, again: bool
    ) -> None:
        """Of a random model, which says the same again and again."""
        written: list[list[int]] = []
        captioner: Any = self.build(
            decoding=Decoding(num_beams=1, max_new_tokens=30, no_repeat_ngram_size=size)
        )

        def decoded(sequences: torch.Tensor, **_: Any) -> list[str]:
            written.extend(sequences.tolist())
            return [""] * len(sequences)

        monkeypatch.setattr(captioner.model.tokenizer, "batch_decode", decoded)
        captioner.caption(batch_of(3))
        assert any(len(set(tokens)) < len(tokens) for tokens in map(_without_ends, written)) == again

    def test_a_higher_temperature_says_other_things_and_is_less_sure(self) -> None:
        cool, hot = (
            self.build(decoding=Decoding(top_p=1.0, temperature=warmth)).caption(batch_of(5))
            for warmth in (0.05, 5.0)
        )
        assert sum(draft.confidence for draft in cool) > sum(draft.confidence for draft in hot)

    def test_the_setting_decides_and_rows_are_looked_for_under_the_id_that_writes_them(
        self, settings: Any
    ) -> None:
        settings.CAPTIONER = "captioning.captioners.visual.VisualCaptioner"
        settings.CAPTIONER_MODEL_ID, settings.CAPTIONER_CHECKPOINT = None, str(self.checkpoint)
        plain = active_caption_model_id()
        assert active_captioner().model_id == plain
        settings.CAPTIONER_DECODING = Decoding.parse("nucleus0.8")
        assert active_caption_model_id() == plain.replace("beam3-agree0.1", "nucleus0.8")
        assert active_captioner().model_id == active_caption_model_id()

    @pytest.mark.parametrize(
        ("chosen", "said"), [("greedy", "greedy"), ("beam2", "beam 2"), ("nucleus0.9", "nucleus 0.9")]
    )
    def test_an_evaluation_says_how_it_decoded(
        self,
        settings: Any,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        chosen: str,
        said: str,
    ) -> None:
        settings.CAPTIONER = "captioning.captioners.visual.VisualCaptioner"
        backends.clear()
        options = ["--dataset", str(dataset(tmp_path)), "--split", "dev", "--json"]
        call_command(
            "evaluate_captioner", *options, "--captioner", str(self.checkpoint), "--decoding", chosen
        )
        told = capsys.readouterr().out
        assert f'"decoding": "{said} (max6)"' in told

    def test_an_evaluation_refuses_what_is_no_decoding(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"beams5.*allowed are greedy"):
            call_command("evaluate_captioner", "--dataset", str(dataset(tmp_path)), "--decoding", "beams5")


def _without_ends(tokens: list[int]) -> list[int]:
    return [token for token in tokens if token != 0]


def dataset(folder: Path) -> Path:
    from PIL import Image

    (folder / "images").mkdir()
    lines = ["image,split,caption"]
    for at, colour in enumerate(("red", "blue")):
        Image.new("RGB", (40, 30), colour).save(folder / "images" / f"{at}.jpg")
        lines.append(f"{at}.jpg,dev,A {colour} wall.")
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder
