"""Sentences that stand anew after a rollback or a wipe: search follows, and no picture is looked at."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from captioning import services
from captioning.models import Caption, CaptionerVersion
from captioning.recaptioning import Selection
from captioning.selectors import caption_of
from core.errors import Conflict
from search.models import Embedding
from search.services import search_text
from tests.captioning.checkpoints import MakeVersion
from tests.fakes import FakeCaptionEmbedder
from tests.workers.conftest import MakeAssets
from tests.workers.words import frames_made, promoted, rolled_back, run_stages, said, said_text, search_agrees
from workers import pipeline, runner, stages
from workers.models import Job
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shipped")]


def test_after_a_rollback_the_former_words_stand_and_are_found_again(
    registered: MakeVersion,
    make_assets: MakeAssets,
    alice: User,
) -> None:
    both, only_old = (asset.frames.get() for asset in frames_made(make_assets, "red", "blue"))
    run_stages()
    elm = registered("elm")
    promoted(elm)
    pipeline.start_recaption(Selection(asset_ids=(both.asset_id,)))
    upkeep.run_jobs()
    run_stages()
    (new,) = (asset.frames.get() for asset in frames_made(make_assets, "green"))
    run_stages()
    untouched = Embedding.objects.get(frame=only_old, space="caption").number
    rolled_back()
    assert [said(frame) for frame in (both, only_old, new)] == ["oak", "oak", "elm"]
    assert all(search_agrees(frame, said_text(frame)) for frame in (both, only_old, new))
    assert Embedding.objects.get(frame=only_old, space="caption").number == untouched
    assert {match.asset_id for match in search_text(alice, "elm").matches[:1]} == {new.asset_id}
    promoted(elm)
    assert [said(frame) for frame in (both, only_old, new)] == ["elm", "oak", "elm"]
    assert search_agrees(both, said_text(both))


def test_wiping_forgets_words_vectors_and_documents_at_once(
    registered: MakeVersion,
    make_assets: MakeAssets,
    shipped: str,
    alice: User,
) -> None:
    both, only_old, human = (asset.frames.get() for asset in frames_made(make_assets, "red", "blue", "green"))
    run_stages()
    services.edit_caption(human, "my own words", alice)
    pipeline.caption_changed(human)
    runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))
    run_stages()
    with pytest.raises(Conflict, match="active"):
        pipeline.wipe_captions(shipped)
    promoted(registered("elm"))
    pipeline.start_recaption(Selection(asset_ids=(both.asset_id,)))
    upkeep.run_jobs()
    run_stages()
    assert pipeline.wipe_captions(shipped) == 3
    assert said(both) == "elm"
    assert said_text(human) == "my own words"
    assert search_agrees(both, said_text(both))
    assert search_agrees(human, "my own words")
    assert caption_of(only_old) is None
    assert search_agrees(only_old, "")
    run_stages()
    assert said(only_old) == "elm", "what is left without a caption waits for the active version"
    assert not Caption.objects.filter(model_id=shipped).exists()


def overtaken(registered: MakeVersion) -> CaptionerVersion:
    """Elm, which wrote of every photo, though by now fir is active and has not written yet."""
    elm = registered("elm")
    promoted(elm)
    pipeline.start_recaption(Selection())
    upkeep.run_jobs()
    run_stages()
    promoted(registered("fir", cider=0.9))
    return elm


def test_sentences_are_embedded_before_anything_is_locked_and_again_where_they_changed_meanwhile(
    registered: MakeVersion,
    make_assets: MakeAssets,
    shipped: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same, changed = (asset.frames.get() for asset in frames_made(make_assets, "red", "blue"))
    run_stages()
    elm = overtaken(registered)
    embed, looks = FakeCaptionEmbedder.embed_frames, list[tuple[int, bool]]()

    def embed_and_change(self: FakeCaptionEmbedder, batch: Any, said: Any) -> Any:
        looks.append((len(said), connection.in_atomic_block))
        if len(looks) == 1:
            Caption.objects.filter(frame=changed, model_id=shipped).update(text="an ash")
        return embed(self, batch, said)

    monkeypatch.setattr(FakeCaptionEmbedder, "embed_frames", embed_and_change)
    assert pipeline.wipe_captions(elm.model_id) == 2
    assert looks == [(2, False), (1, True)]
    monkeypatch.undo()
    assert search_agrees(same, said_text(same))
    assert search_agrees(changed, "an ash")


def test_wiping_a_version_that_stood_brings_back_the_one_before(
    registered: MakeVersion,
    make_assets: MakeAssets,
) -> None:
    (frame,) = (asset.frames.get() for asset in frames_made(make_assets, "red"))
    run_stages()
    elm = overtaken(registered)
    assert said(frame) == "elm"
    pipeline.wipe_captions(elm.model_id)
    assert said(frame) == "oak"
    assert search_agrees(frame, said_text(frame))


def test_jobs_of_following_are_not_merged_with_one_at_work() -> None:
    pipeline.start_job("follow_captioner")
    pipeline.start_job("follow_captioner")
    assert Job.objects.count() == 1
    Job.objects.update(state="running")
    pipeline.start_job("follow_captioner")
    assert Job.objects.count() == 2


def test_vectors_of_before_follow_what_is_said_and_those_that_say_it_keep_their_number(
    make_assets: MakeAssets, alice: User, capsys: pytest.CaptureFixture[str]
) -> None:
    old, human = (asset.frames.get() for asset in frames_made(make_assets, "red", "green"))
    run_stages()
    services.edit_caption(human, "my own words", alice)
    pipeline.caption_changed(human)
    runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))
    run_stages()
    numbers = dict(Embedding.objects.filter(space="caption").values_list("frame_id", "number"))
    alone = FakeCaptionEmbedder().embed_queries([said_text(old)]).tobytes()
    Embedding.objects.filter(frame=old, space="caption").update(vector=alone)
    assert not search_agrees(old, said_text(old))
    call_command("embedder", "follow", verbosity=0)
    assert capsys.readouterr().out.startswith("1 frames")
    run_stages()
    assert search_agrees(old, said_text(old))
    assert search_agrees(human, "my own words")
    after = dict(Embedding.objects.filter(space="caption").values_list("frame_id", "number"))
    assert after[human.pk] == numbers[human.pk]
    assert after[old.pk] not in (None, numbers[old.pk])
