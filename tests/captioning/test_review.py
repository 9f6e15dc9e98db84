"""Decisions of captions: what each does, what happens where two meet, and what undoing restores."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from captioning import review, review_leases, services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption, ReviewDecision, ReviewLease
from captioning.selectors import caption_of, spoken_of
from core.errors import Conflict, InvalidInput, NotFound
from library.models import Asset
from tests.captioning.reviewing import MODEL, at_once, decided, doubted

pytestmark = pytest.mark.django_db(transaction=True)


def state_of(caption: Caption) -> str:
    caption.refresh_from_db()
    return caption.state


class TestDecisions:
    def test_accepting_keeps_the_words_and_makes_them_a_person_s(self, alice: User) -> None:
        caption = doubted(alice)
        decision = decided(alice, caption, "accept")
        assert state_of(caption) == "accepted"
        assert spoken_of([caption.frame_id]) == {caption.frame_id: caption.sentences}
        assert (decision.before, decision.after, decision.state_before) == ("a dog", "a dog", "to_review")
        assert (decision.reviewer, decision.model_id, decision.kind) == (alice, MODEL, "accept")

    def test_an_edit_is_a_row_of_the_person_s_and_the_model_keeps_its_words(
        self, alice: User, bob: User
    ) -> None:
        caption = doubted(alice)
        decision = decided(bob, caption, "edit", "  a wolf\n in snow ")
        assert (state_of(caption), caption.text) == ("edited", "a dog")
        standing = caption_of(caption.frame)
        assert standing is not None
        assert (standing.text, standing.source, standing.state) == ("a wolf in snow", "human", "edited")
        assert (decision.kind, decision.before, decision.after) == ("edit", "a dog", "a wolf in snow")

    def test_an_edit_to_the_very_same_words_accepts(self, alice: User) -> None:
        caption = doubted(alice)
        assert decided(alice, caption, "edit", " a  dog").kind == "accept"
        assert state_of(caption) == "accepted"
        assert not Caption.objects.filter(source="human").exists()

    def test_after_a_rejection_nothing_stands_and_the_model_does_not_say_it_again(self, alice: User) -> None:
        caption = doubted(alice)
        decision = decided(alice, caption, "reject")
        assert caption_of(caption.frame) is None
        assert (decision.before, decision.after) == ("a dog", "")
        services.record_captions([(caption.frame_id, CaptionDraft("a dog", 0.5))], MODEL)
        assert caption_of(caption.frame) is None

    def test_skipping_changes_nothing(self, alice: User) -> None:
        caption = doubted(alice)
        decided(alice, caption, "skip")
        assert state_of(caption) == "to_review"
        assert caption_of(caption.frame) == caption

    @pytest.mark.parametrize("text", ["", " \n ", "x" * 1001])
    def test_words_that_can_not_be_a_caption_are_refused(self, alice: User, text: str) -> None:
        caption = doubted(alice)
        with pytest.raises(InvalidInput) as refusal:
            decided(alice, caption, "edit", text)
        assert refusal.value.field == "text"
        assert state_of(caption) == "to_review"

    @pytest.mark.parametrize("kind", ["accept", "edit", "reject", "skip"])
    def test_what_one_may_not_see_does_not_exist(self, alice: User, bob: User, kind: str) -> None:
        private = doubted(alice, visibility="private")
        refusals = []
        for reviewer, caption_id in ((bob, private.pk), (bob, private.pk + 99), (bob, 2**70), (bob, -1)):
            with pytest.raises(NotFound) as refusal:
                review.decide(reviewer, caption_id, kind, shown="a dog", text="mine")
            refusals.append(str(refusal.value))
        assert len(set(refusals)) == 1
        assert not ReviewDecision.objects.exists()

    def test_the_words_of_people_are_not_reviewed(self, alice: User) -> None:
        services.edit_caption(doubted(alice).frame, "by hand", alice)
        with pytest.raises(NotFound):
            review.decide(alice, Caption.objects.get(source="human").pk, "reject", shown="by hand")

    def test_a_lost_lease_is_no_hindrance_unless_another_has_it(self, alice: User, bob: User) -> None:
        first, second = doubted(alice), doubted(alice)
        review_leases.take(first.frame_id, alice)
        ReviewLease.objects.update(leased_until=timezone.now())
        decided(alice, first, "accept")
        review_leases.take(second.frame_id, bob)
        with pytest.raises(Conflict, match="Another reviewer has this photo"):
            decided(alice, second, "accept")
        assert state_of(second) == "to_review"


class TestConflicts:
    def test_of_two_decisions_at_once_one_is_told_that_it_came_too_late(self, alice: User, bob: User) -> None:
        caption = doubted(alice)

        def reject(reviewer: User) -> str:
            try:
                return review.decide(reviewer, caption.pk, "reject", shown="a dog").kind
            except Conflict as error:
                return str(error)

        assert sorted(at_once(reject, [alice, bob])) == ["This caption was rejected meanwhile.", "reject"]
        assert ReviewDecision.objects.count() == 1

    def test_undoing_twice_at_once_undoes_once(self, alice: User) -> None:
        decided(alice, doubted(alice), "accept")

        def undo(reviewer: User) -> str:
            try:
                return review.undo(reviewer).kind
            except Conflict:
                return "too late"

        assert sorted(at_once(undo, [alice, alice])) == ["too late", "undo"]

    @pytest.mark.parametrize(
        ("kind", "said"), [("accept", "accepted"), ("edit", "corrected"), ("reject", "rejected")]
    )
    def test_what_was_decided_meanwhile_is_said(self, alice: User, bob: User, kind: str, said: str) -> None:
        caption = doubted(alice)
        decided(bob, caption, kind, "a wolf")
        with pytest.raises(Conflict, match=f"was {said} meanwhile"):
            review.decide(alice, caption.pk, "reject", shown="a dog")
        assert ReviewDecision.objects.count() == 1

    def test_a_new_sentence_of_the_model_is_shown(self, alice: User) -> None:
        caption = doubted(alice)
        Caption.objects.update(text="a cat")
        with pytest.raises(Conflict, match="anew meanwhile: “a cat”"):
            review.decide(alice, caption.pk, "accept", shown="a dog")

    def test_words_that_the_owner_wrote_meanwhile_stand(self, alice: User, bob: User) -> None:
        caption = doubted(alice)
        Caption.objects.create(frame=caption.frame, source="human", text="Rex", state="edited")
        with pytest.raises(Conflict, match="A person has written"):
            decided(bob, caption, "edit", "a wolf")
        assert caption_of(caption.frame).text == "Rex"  # type: ignore[union-attr]

    def test_another_model_s_sentence_and_a_screen_that_changed_its_mind(self, alice: User) -> None:
        former, cleared = doubted(alice), doubted(alice)
        Caption.objects.filter(pk=former.pk).update(model_id="former")
        Caption.objects.create(frame=former.frame, source="model", model_id=MODEL, text="new")
        with pytest.raises(Conflict, match="Another model"):
            decided(alice, former, "accept")
        Caption.objects.filter(pk=cleared.pk).update(state="auto_accepted")
        with pytest.raises(Conflict, match="no review"):
            decided(alice, cleared, "accept")


class TestUndo:
    @pytest.mark.parametrize("kind", ["accept", "edit", "reject", "skip"])
    def test_it_restores_exactly_what_was_and_gives_the_photo_back(
        self, alice: User, bob: User, kind: str
    ) -> None:
        caption = doubted(alice)
        before = list(Caption.objects.values("pk", "text", "state", "source"))
        decision = decided(alice, caption, kind, "a wolf")
        undone = review.undo(alice)
        assert list(Caption.objects.values("pk", "text", "state", "source")) == before
        assert (undone.kind, undone.undoes) == ("undo", decision)
        assert (undone.before, undone.after) == (decision.after, decision.before)
        assert review_leases.next_for(alice) == caption
        assert review_leases.next_for(bob) is None

    def test_one_after_the_other_and_only_one_s_own(self, alice: User, bob: User) -> None:
        first, second, third = doubted(alice), doubted(alice), doubted(alice)
        decided(alice, first, "accept")
        decided(alice, second, "reject")
        decided(bob, third, "accept")
        review.undo(alice)
        assert [state_of(each) for each in (first, second, third)] == ["accepted", "to_review", "accepted"]
        review.undo(alice)
        assert state_of(first) == "to_review"
        with pytest.raises(Conflict, match="no decision of yours"):
            review.undo(alice)
        assert state_of(third) == "accepted"

    def test_it_refuses_where_somebody_changed_the_caption_since(self, alice: User, bob: User) -> None:
        edited, rejected = doubted(alice), doubted(alice)
        decided(bob, edited, "edit", "a wolf")
        services.edit_caption(edited.frame, "Rex", alice)
        with pytest.raises(Conflict, match="Somebody has changed"):
            review.undo(bob)
        assert caption_of(edited.frame).text == "Rex"  # type: ignore[union-attr]
        decided(bob, rejected, "reject")
        services.edit_caption(rejected.frame, "Bello", alice)
        with pytest.raises(Conflict, match="Somebody has changed"):
            review.undo(bob)
        assert state_of(rejected) == "rejected"

    def test_it_refuses_where_another_model_speaks_now(self, alice: User, settings: Any) -> None:
        caption = doubted(alice)
        decided(alice, caption, "reject")
        settings.CAPTIONER_MODEL_ID = "next"
        services.record_captions([(caption.frame_id, CaptionDraft("new", 0.5))], "next")
        with pytest.raises(Conflict, match="Another model"):
            review.undo(alice)
        assert state_of(caption) == "rejected"
        assert not ReviewDecision.objects.filter(kind="undo").exists()

    def test_a_photo_that_became_private_is_out_of_reach(self, alice: User, bob: User) -> None:
        caption = doubted(alice)
        decided(bob, caption, "reject")
        Asset.objects.update(visibility="private")
        with pytest.raises(NotFound):
            review.undo(bob)
        assert state_of(caption) == "rejected"

    def test_a_caption_that_was_wiped_can_not_come_back_and_is_in_nobody_s_way(self, alice: User) -> None:
        before, wiped = doubted(alice), doubted(alice)
        decided(alice, before, "reject")
        decided(alice, wiped, "reject")
        services.delete_captions([wiped.frame_id], MODEL)
        assert review.undo(alice).caption == before
        with pytest.raises(Conflict, match="no decision of yours"):
            review.undo(alice)


class TestOwners:
    def test_the_sentence_they_corrected_is_no_longer_to_review(self, alice: User) -> None:
        caption = doubted(alice)
        services.edit_caption(caption.frame, "Rex", alice)
        assert state_of(caption) == "edited"
        services.edit_caption(caption.frame, "", alice)
        assert state_of(caption) == "to_review"
        assert caption_of(caption.frame) == caption

    def test_what_was_decided_before_stays_decided(self, alice: User) -> None:
        caption = doubted(alice)
        decided(alice, caption, "accept")
        services.edit_caption(caption.frame, "Rex", alice)
        services.edit_caption(caption.frame, "", alice)
        assert state_of(caption) == "accepted"
