"""Versions and runs in the admin: figures, promotion with a question, rollback, cost before the start."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from captioning import active
from captioning.models import Promotion
from tests.captioning.checkpoints import MakeVersion
from tests.workers.conftest import MakeAssets
from tests.workers.words import promoted, run_stages
from workers.models import Job, RecaptionRun
from workers.tasks import upkeep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shipped")]

VERSIONS = "/admin/captioning/captionerversion/"
RUNS = "/admin/workers/recaptionrun/"


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_superuser("root")
    client.force_login(user)
    return user


def test_versions_are_listed_with_figures_and_promoted_by_a_person(
    client: Client, root: User, registered: MakeVersion, shipped: str
) -> None:
    elm = registered("elm", cider=0.625)
    page = client.get(VERSIONS).content.decode()
    assert elm.model_id in page
    assert shipped in page
    assert "0.625" in page
    assert "Roll back" not in page
    client.post(VERSIONS, {"action": "promote", "_selected_action": [elm.pk]})
    promotion = Promotion.objects.get()
    assert (promotion.version, promotion.promoted_by, promotion.forced) == (elm, root, False)
    assert Job.objects.get().kind == "follow_captioner"
    assert f"Roll back to {shipped}" in client.get(VERSIONS).content.decode()
    client.post(f"{VERSIONS}rollback/")
    assert active.active_caption_model_id() == shipped
    newest = Promotion.objects.order_by("pk").last()
    assert newest is not None
    assert (newest.kind, newest.promoted_by) == ("rollback", root)
    assert client.get("/admin/captioning/promotion/").status_code == 200


def test_a_worse_version_is_promoted_only_after_a_question(
    client: Client, root: User, registered: MakeVersion
) -> None:
    worse = registered("fir", cider=0.125)
    asked = client.post(VERSIONS, {"action": "promote", "_selected_action": [worse.pk]}).content.decode()
    assert "would fall from 0.500" in asked
    assert not Promotion.objects.exists()
    client.post(VERSIONS, {"action": "promote", "_selected_action": [worse.pk], "force": "yes"})
    assert Promotion.objects.get().forced


def test_a_pinned_captioner_is_told(
    client: Client, root: User, registered: MakeVersion, settings: object
) -> None:
    elm = registered("elm")
    settings.CAPTIONER_MODEL_ID = "pinned"  # type: ignore[attr-defined]
    assert "The setting CAPTIONER_MODEL_ID names" in client.get(VERSIONS).content.decode()
    told = client.post(VERSIONS, {"action": "promote", "_selected_action": [elm.pk]}, follow=True)
    assert "unset it" in told.content.decode()
    assert not Promotion.objects.exists()


def test_a_run_shows_its_cost_first_then_progress_and_obeys(
    client: Client, root: User, registered: MakeVersion, make_assets: MakeAssets
) -> None:
    assets = make_assets("red", "blue", "green")
    run_stages()
    promoted(registered("elm"))
    start = reverse("admin:workers_recaptionrun_start")
    assert start in client.get(RUNS).content.decode()
    assert "Show the cost" in client.get(start).content.decode()
    chosen = {"assets": f"{assets[0].pk}, {assets[1].pk}"}
    page = client.post(start, chosen).content.decode()
    assert "2 photos at 4.00 photos/s (its evaluation)" in page
    assert not RecaptionRun.objects.exists()
    assert "There is no user" in client.post(start, {"owner": "nobody"}).content.decode()
    assert "whole numbers" in client.post(start, {"assets": "1 or 2"}).content.decode()
    client.post(start, {**chosen, "confirmed": "yes"})
    run = RecaptionRun.objects.get()
    assert run.job.requested_by == root
    assert "is waiting" in client.post(start, {"confirmed": "yes"}).content.decode()
    for action, state in (("pause", "paused"), ("resume", "waiting"), ("cancel", "cancelled")):
        client.post(RUNS, {"action": action, "_selected_action": [run.pk]})
        assert Job.objects.get(pk=run.job_id).state == state
    client.post(start, {**chosen, "confirmed": "yes"})
    upkeep.run_jobs()
    run_stages()
    upkeep.sweep()
    assert '<progress value="2" max="2"' in client.get(RUNS).content.decode()
    told = client.post(RUNS, {"action": "pause", "_selected_action": [run.pk]}, follow=True)
    assert "is cancelled" in told.content.decode()


def test_staff_who_may_only_look_decide_nothing(client: Client, registered: MakeVersion) -> None:
    elm = registered("elm")
    watcher = User.objects.create_user("bob", is_staff=True)
    seen = ["view_captionerversion", "view_promotion", "view_recaptionrun"]
    watcher.user_permissions.set(Permission.objects.filter(codename__in=seen))
    client.force_login(watcher)
    assert client.get(VERSIONS).status_code == client.get(RUNS).status_code == 200
    client.post(VERSIONS, {"action": "promote", "_selected_action": [elm.pk]})
    assert client.post(f"{VERSIONS}rollback/").status_code == 403
    assert client.post(reverse("admin:workers_recaptionrun_start"), {"confirmed": "yes"}).status_code == 403
    assert not Promotion.objects.exists()
    assert not RecaptionRun.objects.exists()
