"""A new captioner and the pictures there are: what a promotion, a run, a rollback and a wipe change, and search."""

import json
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from captioning import recaptioning, services, versions
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption
from captioning.recaptioning import Selection
from core.errors import Conflict, NotFound
from library.models import Frame
from search.services import search_text
from tests.captioning.checkpoints import MakeVersion
from tests.workers.conftest import MakeAssets
from tests.workers.words import frames_made, promoted, run_stages, said, said_text, search_agrees
from workers import describe, pipeline, recaptions, runner, stages
from workers.models import RecaptionRun, StageRun
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shipped")]


def test_a_promotion_changes_only_what_new_frames_get(
    registered: MakeVersion,
    make_assets: MakeAssets,
    alice: User,
) -> None:
    (old,) = make_assets("red")
    run_stages()
    promoted(registered("elm"))
    assert not StageRun.objects.exists()
    (new,) = make_assets("blue")
    run_stages()
    assert (said(old.frames.get()), said(new.frames.get())) == ("oak", "elm")
    assert Caption.objects.count() == 2
    assert search_text(alice, "oak").matches[0].asset_id == old.pk


def test_captions_are_recorded_under_the_model_that_wrote_them(
    registered: MakeVersion,
    make_assets: MakeAssets,
    shipped: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elm, look_at = registered("elm"), describe.look_at

    def promote_meanwhile(pixels: Any, spoken: Any, **shown: Any) -> Any:
        made = look_at(pixels, spoken, **shown)
        versions.promote(elm.model_id)
        return made

    monkeypatch.setattr(describe, "look_at", promote_meanwhile)
    (asset,) = make_assets("red")
    for stage in pipeline.STAGES:
        runner.drain(stages.lane_of(stage), budget_s=-1)
    caption = Caption.objects.get(frame__asset=asset)
    assert (caption.model_id, caption.text.endswith("oak")) == (shipped, True)


def test_a_run_captions_again_and_search_is_right_before_and_after(
    registered: MakeVersion,
    make_assets: MakeAssets,
    shipped: str,
) -> None:
    frames = [asset.frames for asset in make_assets("red", "blue", "green")]
    run_stages()
    promoted(registered("elm"))
    run = pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    asked = [each.get() for each in frames]
    assert all(said(frame) == "oak" and search_agrees(frame, said_text(frame)) for frame in asked)
    run_stages()
    upkeep.sweep()
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done, run.job.total) == ("done", 3, 3)
    assert all(said(frame) == "elm" and search_agrees(frame, said_text(frame)) for frame in asked)
    assert Caption.objects.filter(model_id=shipped).count() == 3, "the former words are history"


def test_the_words_and_their_vector_change_in_one_transaction(
    registered: MakeVersion,
    make_assets: MakeAssets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (asset,) = make_assets("red")
    run_stages()
    frame = asset.frames.get()
    promoted(registered("elm"))
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr("search.embeddings.record", fail)
        runner.drain(stages.lane_of(pipeline.DESCRIBE))
    assert said(frame) == "oak", "no vector, no new words"
    assert search_agrees(frame, said_text(frame))


def test_people_s_words_are_left_alone_and_not_even_looked_at(
    registered: MakeVersion,
    make_assets: MakeAssets,
    alice: User,
) -> None:
    human, imported, plain = (
        asset.frames.get() for asset in frames_made(make_assets, "red", "blue", "green")
    )
    run_stages()
    services.edit_caption(human, "my own words", alice)
    Caption.objects.create(frame=imported, source="imported", text="from the file")
    promoted(registered("elm"))
    run_stages()
    assert recaptioning.estimate(Selection(), versions.active_version()).frames == 1
    pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    run_stages()
    assert [said_text(human), said_text(imported)] == ["my own words", "from the file"]
    assert said(plain) == "elm"
    assert set(Caption.objects.filter(text__endswith="elm").values_list("frame", flat=True)) == {plain.pk}


def test_a_selection_narrows_a_run(registered: MakeVersion, make_assets: MakeAssets, shipped: str) -> None:
    bob = User.objects.create_user("bob")
    hers = make_assets("red", "blue")
    (his,) = make_assets("green", owner=bob)
    run_stages()
    elm = registered("elm")

    def count(**selection: Any) -> int:
        return recaptioning.estimate(Selection(**selection), elm).frames

    assert count() == 3
    assert (count(owner="alice"), count(owner="bob"), count(model_id=shipped)) == (2, 1, 3)
    assert count(asset_ids=(his.pk, hers[0].pk)) == 2
    services.record_captions([(his.frames.get().pk, CaptionDraft("x", 0.5))], elm.model_id)
    assert (count(), count(again=True), count(model_id=elm.model_id)) == (2, 3, 0)
    for unknown in ({"owner": "nobody"}, {"model_id": "nothing"}):
        with pytest.raises(NotFound):
            count(**unknown)
    selection = Selection(owner="bob", asset_ids=(1, 2), again=True)
    assert Selection.from_json(json.loads(json.dumps(selection.as_json()))) == selection


def test_the_estimate_says_what_it_rests_on(registered: MakeVersion, make_assets: MakeAssets) -> None:
    make_assets("red")
    run_stages()
    elm = registered("elm")
    estimate = recaptioning.estimate(Selection(), elm)
    assert (estimate.frames, estimate.images_per_s, estimate.measured_on) == (1, 4.0, "its evaluation")
    (frame,) = Frame.objects.all()
    bare = [Frame.objects.create(asset=frame.asset, number=number) for number in range(1, 101)]
    services.record_captions([(each.pk, CaptionDraft("x", 0.5)) for each in bare], elm.model_id)
    now = timezone.now()
    for at, caption in enumerate(Caption.objects.filter(model_id=elm.model_id).order_by("pk")):
        idle = timedelta(hours=3) if at >= 50 else timedelta(0)
        when = now + at * timedelta(seconds=0.5) + idle
        Caption.objects.filter(pk=caption.pk).update(created_at=when)
    estimate = recaptioning.estimate(Selection(again=True), elm)
    assert estimate.images_per_s == pytest.approx(2.0), "three idle hours are not work"
    assert estimate.hours == pytest.approx(101 / 2 / 3600)


def test_a_run_pauses_resumes_and_is_cancelled(
    registered: MakeVersion,
    make_assets: MakeAssets,
    settings: Any,
) -> None:
    settings.DESCRIBE_BATCH_SIZE = 2
    make_assets(*["red", "blue", "green"] * 2)
    run_stages()
    promoted(registered("elm"))
    run = pipeline.start_recaption(Selection())
    with pytest.raises(Conflict):
        pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    assert StageRun.objects.count() == 6
    runner.drain(stages.lane_of(pipeline.DESCRIBE), budget_s=-1)
    pipeline.pause_recaption(run)
    assert not StageRun.objects.exists(), "what nobody has begun is taken back"
    run_stages()
    upkeep.sweep()
    assert by_elm() == 2
    with pytest.raises(Conflict):
        pipeline.pause_recaption(run)
    pipeline.resume_recaption(run)
    upkeep.run_jobs()
    runner.drain(stages.lane_of(pipeline.DESCRIBE), budget_s=-1)
    upkeep.sweep()
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done, run.job.total) == ("running", 4, 6)
    pipeline.cancel_recaption(run)
    run_stages()
    upkeep.sweep()
    run.job.refresh_from_db()
    assert (run.job.state, by_elm()) == ("cancelled", 4)
    with pytest.raises(Conflict):
        pipeline.resume_recaption(run)


def by_elm() -> int:
    return Caption.objects.filter(text__endswith="elm").count()


def test_a_pause_takes_back_no_wish_of_others(registered: MakeVersion, make_assets: MakeAssets) -> None:
    red, blue = (asset.frames.get() for asset in frames_made(make_assets, "red", "blue"))
    run_stages()
    promoted(registered("elm"))
    run = pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    pipeline.caption_changed(red)
    pipeline.pause_recaption(run)
    assert list(StageRun.objects.values_list("subject_id", flat=True)) == [red.pk]
    assert blue.pk != red.pk


def test_a_large_run_asks_for_a_chunk_at_a_time(
    registered: MakeVersion,
    make_assets: MakeAssets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recaptions, "CHUNK", 2)
    make_assets(*["red", "blue", "green", "white", "black"])
    run_stages()
    promoted(registered("elm"))
    run = pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    seen = []
    while True:
        run.refresh_from_db()
        run.job.refresh_from_db()
        if run.job.state == "done":
            break
        seen.append((run.asked, run.job.done))
        runner.drain(stages.lane_of(pipeline.DESCRIBE))
        recaptions.follow()
    assert seen == [(2, 0), (4, 2), (5, 4)]
    assert (run.job.done, run.job.total, by_elm()) == (5, 5, 5)


@pytest.fixture
def run(registered: MakeVersion, make_assets: MakeAssets) -> RecaptionRun:
    """Of elm over two photos, whose job has asked for them."""
    make_assets("red", "blue")
    run_stages()
    promoted(registered("elm"))
    begun = pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    return begun


def test_a_run_of_another_version_is_paused_by_a_promotion(
    run: RecaptionRun, registered: MakeVersion
) -> None:
    promoted(registered("fir", cider=0.9))
    run.job.refresh_from_db()
    assert run.job.state == "paused"
    assert "Another captioner was promoted" in run.job.error
    assert not Caption.objects.exclude(text__endswith="oak").exists(), "a promotion alone captions nothing"
    with pytest.raises(Conflict, match="not the active"):
        pipeline.resume_recaption(run)


def test_a_run_stops_asking_though_nobody_told_it_of_a_promotion(
    run: RecaptionRun, registered: MakeVersion
) -> None:
    versions.promote(registered("fir", cider=0.9).model_id)  # its door died before it told the pipeline
    recaptions.follow()
    run.job.refresh_from_db()
    assert run.job.state == "paused"
    assert not StageRun.objects.exists()


def test_an_older_count_does_not_overwrite_a_newer_one(run: RecaptionRun) -> None:
    run_stages()
    recaptions.follow()
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done, run.job.total) == ("done", 2, 2)
    recaptions._note(run, exhausted=False)  # another process, which looked before
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done, run.job.total) == ("done", 2, 2)


def test_a_run_that_fails_says_why_and_stops_nobody_else(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_assets("red")
    run_stages()
    run = pipeline.start_recaption(Selection(again=True))

    def fail(*_: Any) -> None:
        raise ValueError("nonsense")

    monkeypatch.setattr(recaptions, "_ask_for_more", fail)
    upkeep.run_jobs()
    upkeep.sweep()
    run.job.refresh_from_db()
    assert (run.job.state, run.job.error) == ("failed", "ValueError: nonsense")


@pytest.mark.parametrize("trouble", [SoftTimeLimitExceeded(), OperationalError("The database is away.")])
def test_what_is_no_fault_of_a_run_fails_none(
    make_assets: MakeAssets, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    make_assets("red")
    run_stages()
    run = pipeline.start_recaption(Selection(again=True))
    upkeep.run_jobs()

    def end(*_: Any) -> None:
        raise trouble

    with monkeypatch.context() as then:
        then.setattr(recaptions, "_left_of", end)
        with pytest.raises(type(trouble)):
            recaptions.follow()
    run.job.refresh_from_db()
    assert run.job.state == "running"
