"""The review queue: whose captions wait in which order, who has which photo, and how far a reviewer is."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.utils import timezone

from captioning import review, review_leases, review_queue, services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption, ReviewDecision, ReviewLease
from captioning.selectors import sentences_of, standing_of_models
from library.asset_store import delete_asset
from tests.captioning.reviewing import MODEL, at_once, decided, doubted, person

pytestmark = pytest.mark.django_db(transaction=True)


def queue_of(user: Any) -> list[int]:
    return list(review_queue.waiting(user).values_list("pk", flat=True))


class TestQueue:
    def test_what_a_correction_teaches_most_comes_first(self, alice: User) -> None:
        low, high, same = (
            doubted(alice, priority=0.1),
            doubted(alice, priority=0.9),
            doubted(alice, priority=0.9),
        )
        assert queue_of(alice) == [high.pk, same.pk, low.pk]

    def test_owners_review_their_own_and_others_by_permission_alone(
        self, alice: User, bob: User, dora: User
    ) -> None:
        public, private = doubted(alice), doubted(alice, visibility="private")
        own = doubted(bob, visibility="private")
        assert queue_of(alice) == [public.pk, private.pk]
        assert queue_of(bob) == [public.pk, own.pk]
        assert queue_of(dora) == [public.pk, private.pk, own.pk]
        assert queue_of(person("charlie")) == []
        assert queue_of(AnonymousUser()) == []

    def test_staff_without_the_permission_see_nothing_of_others(self, alice: User) -> None:
        doubted(alice)
        staff = User.objects.create_user("staff", is_staff=True)
        assert queue_of(staff) == []

    @pytest.mark.parametrize("state", sorted(set(Caption.State) - {Caption.State.TO_REVIEW}))
    def test_only_what_the_screen_doubts_waits(self, alice: User, state: str) -> None:
        Caption.objects.filter(pk=doubted(alice).pk).update(state=state)
        assert queue_of(alice) == []

    def test_photos_that_people_spoke_of_do_not_wait(self, alice: User) -> None:
        for source in ("human", "imported"):
            Caption.objects.create(frame=doubted(alice).frame, source=source, text="words")
        accepted = doubted(alice)
        Caption.objects.create(
            frame=accepted.frame, source="model", model_id="former", text="good", state="accepted"
        )
        assert queue_of(alice) == []

    def test_only_the_sentence_that_stands_waits(self, alice: User) -> None:
        caption = doubted(alice)
        former = Caption.objects.create(
            frame=caption.frame, source="model", model_id="former", text="old", state="to_review"
        )
        assert queue_of(alice) == [caption.pk]
        caption.delete()
        assert queue_of(alice) == [former.pk], "it stands until the active model has written"
        newer = Caption.objects.create(
            frame=former.frame, source="model", model_id="other", text="new", state="to_review"
        )
        assert queue_of(alice) == [newer.pk]

    def test_the_queue_and_the_pages_agree_on_what_stands(self, alice: User) -> None:
        for models in (["a"], ["a", "b"], ["b", "a"], ["a", MODEL, "b"]):
            frame = doubted(alice).frame
            Caption.objects.filter(frame=frame).delete()
            for model in models:
                Caption.objects.create(frame=frame, source="model", model_id=model, text=model)
        standing = sentences_of(Caption.objects.values_list("frame_id", flat=True))
        assert {caption.pk for caption in standing_of_models()} == {
            sentence.caption_id for sentence in standing.values()
        }

    def test_what_one_skipped_comes_back_to_others_and_after_a_new_sentence(
        self, alice: User, bob: User
    ) -> None:
        caption = doubted(alice)
        decided(alice, caption, "skip")
        assert queue_of(alice) == []
        assert queue_of(bob) == [caption.pk]
        services.record_captions([(caption.frame_id, CaptionDraft("another", 0.1))], MODEL)
        Caption.objects.update(state="to_review")
        assert queue_of(alice) == [caption.pk]

    def test_of_a_burst_one_photo_teaches_and_the_others_wait_behind_the_rest(self, alice: User) -> None:
        burst = [doubted(alice, priority=0.9, perceptual_hash=f"ff00ff00ff00ff0{bit}") for bit in (0, 1, 3)]
        other = doubted(alice, priority=0.2)
        first = review_leases.next_for(alice)
        assert first == burst[0]
        assert review_leases.next_for(alice, besides=[first.pk]) == other, "its like is before somebody now"
        review_leases.release(alice)
        decided(alice, burst[0], "accept")
        assert review_leases.next_for(alice) == other, "its like was decided lately"
        decided(alice, other, "accept")
        assert review_leases.next_for(alice) == burst[1], "last, but not forgotten"


class TestLeases:
    def test_a_photo_is_with_one_reviewer_for_ten_minutes(self, alice: User, bob: User) -> None:
        caption = doubted(alice)
        assert review_leases.next_for(alice) == caption
        assert review_leases.next_for(bob) is None
        assert review_leases.next_for(alice) == caption, "a page loaded again shows the same"
        until = ReviewLease.objects.get().leased_until - timezone.now()
        assert timedelta(minutes=9.9) < until <= timedelta(minutes=10)
        ReviewLease.objects.update(leased_until=timezone.now())
        assert review_leases.next_for(bob) == caption
        assert review_leases.next_for(alice) is None

    def test_leases_are_lengthened_and_given_back(self, alice: User, bob: User) -> None:
        caption = doubted(alice)
        review_leases.next_for(alice)
        ReviewLease.objects.update(leased_until=timezone.now() + timedelta(seconds=1))
        review_leases.renew(bob, [caption.pk])
        assert ReviewLease.objects.get().leased_until < timezone.now() + timedelta(minutes=1)
        review_leases.renew(alice, [caption.pk])
        assert ReviewLease.objects.get().leased_until > timezone.now() + timedelta(minutes=9)
        review_leases.release(bob)
        assert review_leases.next_for(bob) is None
        review_leases.release(alice)
        assert review_leases.next_for(bob) == caption

    def test_a_photo_may_be_deleted_while_it_is_leased(self, alice: User, bob: User) -> None:
        caption = doubted(alice)

        def delete() -> None:
            delete_asset(caption.frame.asset)
            connection.close()

        deleting = Thread(target=delete)
        with transaction.atomic():
            assert review_leases.take(caption.frame_id, bob)
            deleting.start()
            deleting.join(0.5)
        deleting.join()
        assert not ReviewLease.objects.exists()
        assert not review_leases.take(caption.frame_id, bob)

    def test_reviewers_at_once_never_get_the_same_photo(self, alice: User) -> None:
        for _ in range(12):
            doubted(alice)

        def three(reviewer: User) -> list[int]:
            held: list[int] = []
            for _ in range(3):
                caption = review_leases.next_for(reviewer, besides=held)
                assert caption is not None
                held.append(caption.pk)
            return held

        got = at_once(three, [person(f"reviewer-{at}", "review_caption") for at in range(4)])
        assert sorted(each for held in got for each in held) == sorted(
            Caption.objects.values_list("pk", flat=True)
        )

    def test_what_was_decided_while_the_list_was_read_is_not_handed_out(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = doubted(alice, priority=0.9), doubted(alice)
        take = review_leases.take

        def decided_just_before(frame_id: int, reviewer: User) -> bool:
            Caption.objects.filter(pk=first.pk).update(state="accepted")
            return take(frame_id, reviewer)

        monkeypatch.setattr(review_leases, "take", decided_just_before)
        assert review_leases.next_for(alice) == second
        assert ReviewLease.objects.get().frame_id == second.frame_id


class TestProgress:
    def test_counts_and_pace(self, alice: User) -> None:
        captions = [doubted(alice) for _ in range(6)]
        assert review_queue.progress(alice) == review_queue.Progress(6, 0, None)
        for caption in captions[:4]:
            decided(alice, caption, "accept")
        decided(alice, captions[4], "skip")
        now = timezone.now()
        ages_s = (3700, 60, 30, 0)  # the first before a long pause
        for decision, age_s in zip(ReviewDecision.objects.order_by("pk"), ages_s, strict=False):
            ReviewDecision.objects.filter(pk=decision.pk).update(decided_at=now - timedelta(seconds=age_s))
        progress = review_queue.progress(alice)
        assert progress.left == 1
        assert progress.per_minute == pytest.approx(2.0)
        ReviewDecision.objects.filter(kind="accept").update(decided_at=now - timedelta(days=1))
        assert review_queue.progress(alice).decided_today == 0

    def test_what_was_undone_is_not_counted(self, alice: User) -> None:
        decided(alice, doubted(alice), "accept")
        assert review_queue.progress(alice).decided_today == 1
        review.undo(alice)
        assert review_queue.progress(alice).decided_today == 0

    def test_a_long_queue_is_not_counted_to_its_end(self, alice: User) -> None:
        for _ in range(3):
            doubted(alice)
        assert review_queue.count_waiting(alice, at_most=2) == 2
