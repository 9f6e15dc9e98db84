"""What every captioner promises. Subclass it beside the captioner's own tests and say how to build one."""

from typing import Any

import numpy as np
import pytest

from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.decoding import Decoding
from captioning.captioners.styles import STYLES
from captioning.vision.frames import Features, FrameBatch
from core.errors import InvalidInput

#: Shapes of pictures as cameras make them, small.
_SHAPES = ((40, 64), (64, 40), (33, 60), (50, 50), (64, 64))


def batch_of(count: int) -> FrameBatch:
    """The first so many of five unlike pictures, the same every time."""
    chance = np.random.default_rng(0)
    pixels = np.stack([_picture(chance, (260, 260)) for _ in _SHAPES])
    features = Features(
        chance.normal(size=(len(_SHAPES), 81, 1280)).astype(np.float16),
        chance.normal(size=(len(_SHAPES), 1000)).astype(np.float32),
    )
    pictures = [_picture(chance, shape) for shape in _SHAPES]
    return _rows(FrameBatch(pixels, features, pictures), slice(0, count))


def _picture(chance: Any, shape: tuple[int, int]) -> Any:
    """Noise of another colour each time."""
    return (chance.random((*shape, 3)) * chance.integers(40, 256, 3)).astype(np.uint8)


def _rows(batch: FrameBatch, rows: slice) -> FrameBatch:
    features = Features(batch.features.grid[rows], batch.features.logits[rows])
    return FrameBatch(batch.pixels[rows], features, batch.pictures[rows])


class CaptionerContract:
    """`build` makes a captioner; `other` arguments make one whose captions must not be taken for its captions."""

    tolerance = 1e-3
    #: Arguments of `build`, each of which has to change the model id.
    others: tuple[dict[str, Any], ...] = ({"decoding": Decoding(num_beams=2, max_new_tokens=6)},)

    def build(self, **changed: Any) -> Captioner:
        raise NotImplementedError

    @pytest.fixture
    def captioner(self) -> Captioner:
        return self.build()

    def test_one_draft_per_frame_with_words_and_a_probability(self, captioner: Captioner) -> None:
        drafts = captioner.caption(batch_of(5))
        assert len(drafts) == 5
        assert all(isinstance(draft, CaptionDraft) for draft in drafts)
        assert all(isinstance(draft.text, str) and draft.text == draft.text.strip() for draft in drafts)
        assert all(isinstance(draft.confidence, float) and 0 <= draft.confidence <= 1 for draft in drafts)
        assert len({draft.text for draft in drafts}) > 1, "it looks at the pictures"

    def test_a_frame_gets_the_same_draft_whoever_is_beside_it_and_in_its_own_place(
        self, captioner: Captioner
    ) -> None:
        whole = batch_of(5)
        together = captioner.caption(whole)
        for at, draft in enumerate(together):
            (alone,) = captioner.caption(_rows(whole, slice(at, at + 1)))
            assert alone.text == draft.text
            assert alone.confidence == pytest.approx(draft.confidence, abs=self.tolerance)

    def test_nothing_for_nothing(self, captioner: Captioner) -> None:
        assert list(captioner.caption(batch_of(0))) == []

    def test_it_is_asked_for_the_styles_it_knows_and_refuses_others_by_name(
        self, captioner: Captioner
    ) -> None:
        assert "normal" in captioner.styles
        for style in captioner.styles:
            assert [draft.style for draft in captioner.caption(batch_of(2), style)] == [style, style]
        normal = [draft.text for draft in captioner.caption(batch_of(2), "normal")]
        assert normal == [draft.text for draft in captioner.caption(batch_of(2))]
        unknown = next(style for style in (*STYLES, "shouted") if style not in captioner.styles)
        with pytest.raises(InvalidInput, match=f"allowed: {', '.join(captioner.styles)}"):
            captioner.caption(batch_of(1), unknown)

    def test_beams_and_drawn_words_are_drafts_too_and_come_again(self) -> None:
        for chosen in (
            Decoding(num_beams=3, max_new_tokens=6),
            Decoding(top_p=0.9, max_new_tokens=6),
            Decoding(num_beams=1, max_new_tokens=6, no_repeat_ngram_size=1),
        ):
            captioner = self.build(decoding=chosen)
            drafts = captioner.caption(batch_of(3))
            assert len(drafts) == 3
            assert all(0 <= draft.confidence <= 1 for draft in drafts)
            assert [draft.text for draft in captioner.caption(batch_of(3))] == [
                draft.text for draft in drafts
            ]

    def test_alternatives_are_the_other_beams_and_the_caption_is_none_of_them(self) -> None:
        drafts = self.build(decoding=Decoding(num_beams=3, max_new_tokens=6)).caption(batch_of(5))
        assert any(draft.alternatives for draft in drafts), "random weights keep unlike beams"
        for draft in drafts:
            assert len(draft.alternatives) < 3
            assert len({draft.text.casefold(), *map(str.casefold, draft.alternatives)}) == 1 + len(
                draft.alternatives
            )
            assert all(each and each == each.strip() for each in draft.alternatives)

    def test_a_decoding_that_keeps_one_sentence_has_no_alternatives(self) -> None:
        for chosen in (Decoding(num_beams=1, max_new_tokens=6), Decoding(top_p=0.9, max_new_tokens=6)):
            drafts = self.build(decoding=chosen).caption(batch_of(2))
            assert [draft.alternatives for draft in drafts] == [(), ()]

    def test_its_id_is_stable_short_and_names_what_changes_captions(self, captioner: Captioner) -> None:
        ids = [captioner.model_id, *(self.build(**other).model_id for other in self.others)]
        assert self.build().model_id == captioner.model_id
        assert len(set(ids)) == len(ids), ids
        assert all(0 < len(each) <= 120 for each in ids)
