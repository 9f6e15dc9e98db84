"""Claims: every subject is held by one worker at most, and every way a claim ends leaves the right record."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from core.errors import Conflict, CorruptMedia, ModelUnavailable
from library.models import Frame
from tests.workers.conftest import MakeFrames
from workers import claims, pipeline
from workers.claims import claim
from workers.models import StageRun
from workers.pipeline import DESCRIBE

pytestmark = pytest.mark.django_db(transaction=True)

State = StageRun.State


def run_of(frame: Frame) -> StageRun:
    return StageRun.objects.get(stage="describe", subject_id=frame.pk)


def die(*frames: Frame) -> None:
    """The worker that holds these is gone."""
    StageRun.objects.filter(subject_id__in=[frame.pk for frame in frames]).update(worker="gone")
    claims.release_orphans({"gone"})


def test_a_claim_takes_the_newest_and_no_more_than_it_may(make_pictures: MakeFrames) -> None:
    frames = make_pictures("red", "blue", "green")
    assert claim(DESCRIBE, 2).subject_ids == (frames[2].pk, frames[1].pk)
    assert claim(DESCRIBE, 2).subject_ids == (frames[0].pk,)
    assert not claim(DESCRIBE, 2)


def test_claims_at_the_same_time_never_share_a_subject(make_pictures: MakeFrames) -> None:
    (first,) = make_pictures("red")
    frames = [first, *Frame.objects.bulk_create(Frame(asset=first.asset, number=at) for at in range(1, 160))]

    def take_all(_: int) -> list[int]:
        taken: list[int] = []
        try:
            while found := claim(DESCRIBE, 2).subject_ids:
                taken += found
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(8) as threads:
        taken = [subject for part in threads.map(take_all, range(8)) for subject in part]
    assert sorted(taken) == sorted(frame.pk for frame in frames)


def test_what_is_finished_leaves_no_record(make_pictures: MakeFrames) -> None:
    make_pictures("red")
    claims.finish(DESCRIBE, claim(DESCRIBE, 5).subject_ids)
    assert not StageRun.objects.exists()


def test_a_claim_given_to_another_is_no_longer_ours_to_settle(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    held = claim(DESCRIBE, 1)
    StageRun.objects.update(worker="another")
    claims.finish(DESCRIBE, held.subject_ids)
    claims.fail(DESCRIBE, {frame.pk: CorruptMedia("ours")})
    assert run_of(frame).state == State.RUNNING


def test_a_corrupt_picture_fails_at_once_and_says_why(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    claims.fail(DESCRIBE, {claim(DESCRIBE, 1).subject_ids[0]: CorruptMedia("the data end early")})
    run = run_of(frame)
    assert (run.state, run.error) == (State.FAILED, "CorruptMedia: the data end early")
    assert not claim(DESCRIBE, 1)


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailable("no weights"),
        Conflict("another process holds the lock"),
        OperationalError("database is locked"),
        OSError("the storage can't be reached"),
    ],
)
def test_what_can_heal_is_tried_for_ever_with_growing_pauses(
    make_pictures: MakeFrames, error: Exception
) -> None:
    (frame,) = make_pictures("red")
    pauses = []
    for _ in range(2 * claims.MAX_ATTEMPTS):
        claims.fail(DESCRIBE, {claim(DESCRIBE, 1).subject_ids[0]: error})
        run = run_of(frame)
        assert run.state == State.RETRY
        assert run.not_before is not None
        pauses.append((run.not_before - run.updated_at).total_seconds())
        assert not claim(DESCRIBE, 1), "it is not tried before its time"
        StageRun.objects.update(not_before=timezone.now())
    assert pauses[:3] == [5, 10, 20]
    assert max(pauses) <= claims.MAX_BACKOFF_S


def test_an_unforeseen_error_is_tried_alone_and_fails_in_the_end(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    for attempt in range(claims.MAX_ATTEMPTS):
        held = claim(DESCRIBE, 8)
        assert held.alone == (attempt > 0)
        claims.fail(DESCRIBE, {frame.pk: ZeroDivisionError("bug")})
        StageRun.objects.update(not_before=timezone.now())
    assert run_of(frame).state == State.FAILED


def test_an_error_of_the_batch_blames_nobody_and_tries_each_alone(make_pictures: MakeFrames) -> None:
    frames = make_pictures("red", "blue")
    held = claim(DESCRIBE, 8)
    claims.fail(DESCRIBE, dict.fromkeys(held.subject_ids, CorruptMedia("one of them")), whole_batch=True)
    assert {run_of(frame).state for frame in frames} == {State.RETRY}
    first, second = claim(DESCRIBE, 8), claim(DESCRIBE, 8)
    assert first.alone
    assert second.alone
    assert {*first.subject_ids, *second.subject_ids} == {frame.pk for frame in frames}


def test_a_picture_is_parked_after_three_deaths_and_its_batch_mates_are_not(
    make_pictures: MakeFrames,
) -> None:
    poison, *mates = make_pictures("red", "blue", "green")
    claim(DESCRIBE, 8)
    die(poison, *mates)
    done = set()
    for _ in range(5):
        held = claim(DESCRIBE, 8)
        if not held:
            break
        assert held.alone
        (subject_id,) = held.subject_ids
        if subject_id == poison.pk:
            die(poison)
        else:
            claims.finish(DESCRIBE, held.subject_ids)
            Frame.objects.filter(pk=subject_id).delete()  # or else it would still lack its caption
            done.add(subject_id)
    assert done == {mate.pk for mate in mates}
    run = run_of(poison)
    assert (run.state, run.deaths) == (State.PARKED, 3)
    assert "3 workers died" in run.error


def test_a_claim_of_an_unreachable_machine_ends_with_its_lease(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    claim(DESCRIBE, 1)
    StageRun.objects.update(worker="far-away")
    assert claims.release_orphans(set()) == 0
    StageRun.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert claims.release_orphans(set()) == 1
    assert run_of(frame).alone


def test_what_is_given_back_counts_as_never_claimed(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    claims.give_back(claim(DESCRIBE, 1))
    assert (run_of(frame).deliveries, run_of(frame).deaths) == (0, 0)
    assert claim(DESCRIBE, 1).subject_ids == (frame.pk,)


def test_leftovers_of_a_task_that_was_cut_short_are_no_deaths(make_pictures: MakeFrames) -> None:
    (frame,) = make_pictures("red")
    claim(DESCRIBE, 1)
    claims.release_leftovers(DESCRIBE)
    run = run_of(frame)
    assert (run.state, run.deaths, run.alone) == (State.RETRY, 0, False)


def test_the_express_lane_takes_express_wishes_only(make_pictures: MakeFrames) -> None:
    bulk, fresh = make_pictures("red", "blue")
    pipeline.ask_for(DESCRIBE, [fresh.pk], express=True)
    assert claim(DESCRIBE, 8).subject_ids == (bulk.pk,), "the ordinary lane leaves it to the express lane"
    assert claim(DESCRIBE, 8, express=True).subject_ids == (fresh.pk,)
    assert not claim(DESCRIBE, 8, express=True)


def test_the_ordinary_lane_takes_express_wishes_that_nobody_serves(make_pictures: MakeFrames) -> None:
    _, fresh = make_pictures("red", "blue")
    pipeline.ask_for(DESCRIBE, [fresh.pk], express=True)
    StageRun.objects.update(created_at=timezone.now() - timedelta(seconds=claims.EXPRESS_GRACE_S + 1))
    assert claim(DESCRIBE, 1).subject_ids == (fresh.pk,)


def test_a_wish_at_the_moment_of_a_claim_is_claimed_in_its_turn(
    make_pictures: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web request commits its wish after the claim has looked for one, and before it writes its own."""
    bulk, fresh = make_pictures("red", "blue")
    look = claims._lock_untried

    def look_and_wish(stage: pipeline.Stage, limit: int) -> list[int]:
        found = look(stage, limit)
        pipeline.ask_for(DESCRIBE, [fresh.pk], express=True)
        return found

    monkeypatch.setattr(claims, "_lock_untried", look_and_wish)
    assert claim(DESCRIBE, 8).subject_ids == (bulk.pk,)
    monkeypatch.undo()
    assert claim(DESCRIBE, 8, express=True).subject_ids == (fresh.pk,)


def test_new_pictures_go_before_what_jobs_ask_for(make_pictures: MakeFrames) -> None:
    old, new = make_pictures("red", "blue")
    pipeline.ask_for(DESCRIBE, [old.pk])
    assert claim(DESCRIBE, 1).subject_ids == (new.pk,)
    assert claim(DESCRIBE, 1).subject_ids == (old.pk,)


def test_suspects_wait_where_the_caller_has_others_in_hand(make_pictures: MakeFrames) -> None:
    (suspect,) = make_pictures("red")
    claim(DESCRIBE, 1)
    die(suspect)
    assert not claim(DESCRIBE, 1, suspects=False)
    assert claim(DESCRIBE, 1).alone
