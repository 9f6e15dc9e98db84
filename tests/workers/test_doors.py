"""Administration over HTTP and in the admin: who may, and what they see."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from library.asset_store import delete_asset
from tests.workers.conftest import MakeFrames
from workers.models import Job, StageRun

pytestmark = pytest.mark.django_db(transaction=True)

REINDEX = "/api/v1/admin/reindex"


@pytest.fixture
def admin_client(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password="everything"))
    return client


def test_an_admin_starts_a_rebuild_and_follows_it(admin_client: Client) -> None:
    answer = admin_client.post(REINDEX)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], job["state"], job["done"], job["error"]) == ("rebuild_index", "waiting", 0, "")
    Job.objects.update(state="running", done=3, total=10)
    followed = admin_client.get(f"/api/v1/admin/jobs/{job['id']}").json()
    assert (followed["state"], followed["done"], followed["total"]) == ("running", 3, 10)


def test_an_admin_lists_jobs_and_ends_one(admin_client: Client) -> None:
    job = admin_client.post(REINDEX).json()
    cancel = f"/api/v1/admin/jobs/{job['id']}/cancel"
    assert admin_client.post(cancel).json()["state"] == "cancelled"
    again = admin_client.post(cancel)
    assert (again.status_code, "is cancelled" in again.json()["detail"]) == (409, True)
    newer = admin_client.post(REINDEX).json()
    told = admin_client.get("/api/v1/admin/jobs").json()
    assert [(one["id"], one["state"]) for one in told] == [(newer["id"], "waiting"), (job["id"], "cancelled")]


def test_a_second_request_names_the_job_under_way(admin_client: Client) -> None:
    assert admin_client.post(REINDEX).json()["id"] == admin_client.post(REINDEX).json()["id"]


@pytest.mark.parametrize(("login", "status"), [(None, 401), ("alice", 403)])
def test_others_may_not(client: Client, alice: User, login: str | None, status: int) -> None:
    if login:
        client.force_login(alice)
    assert client.post(REINDEX).status_code == status
    assert client.get("/api/v1/admin/jobs/1").status_code == status
    assert client.get("/api/v1/admin/jobs").status_code == status
    assert client.post("/api/v1/admin/jobs/1/cancel").status_code == status
    assert not Job.objects.exists()


@pytest.mark.parametrize("job_id", ["999", "999999999999999999999999"])
def test_an_unknown_job_is_404(admin_client: Client, job_id: str) -> None:
    assert admin_client.get(f"/api/v1/admin/jobs/{job_id}").status_code == 404


def test_the_admin_sees_what_failed_and_why_and_tries_it_again(
    admin_client: Client, make_pictures: MakeFrames
) -> None:
    frame, waiting = make_pictures("red", "blue")
    run = StageRun.objects.create(
        stage="describe", subject_id=frame.pk, state="failed", error="CorruptMedia: the data end <early>"
    )
    url = reverse("admin:workers_stagerun_changelist")
    page = admin_client.get(url).content.decode()
    assert "CorruptMedia: the data end &lt;early&gt;" in page
    assert reverse("admin:library_asset_change", args=[frame.asset_id]) in page
    assert '<th scope="row">describe</th><td>1</td><td>0</td><td>0</td>' in page.replace("\n", "")
    admin_client.post(url, {"action": "retry", "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert (run.state, run.error) == ("asked", "")
    delete_asset(waiting.asset)
    assert admin_client.get(url).status_code == 200


def test_the_admin_starts_jobs_and_sees_their_progress(admin_client: Client) -> None:
    url = reverse("admin:workers_job_changelist")
    start = reverse("admin:workers_job_start", args=["rebuild_index"])
    assert start in admin_client.get(url).content.decode()
    assert admin_client.get(start).status_code == 405, "a link can't start it"
    admin_client.post(start)
    Job.objects.update(state="running", done=30, total=100)
    page = admin_client.get(url).content.decode()
    assert '<progress value="30" max="100"' in page
    assert 'http-equiv="refresh"' in page
    assert admin_client.post(reverse("admin:workers_job_start", args=["nonsense"])).status_code == 403


def test_staff_who_may_only_look_can_start_and_retry_nothing(
    client: Client, make_pictures: MakeFrames
) -> None:
    (frame,) = make_pictures("red")
    run = StageRun.objects.create(stage="describe", subject_id=frame.pk, state="failed")
    watcher = User.objects.create_user("bob", password="looking", is_staff=True)
    watcher.user_permissions.set(Permission.objects.filter(codename__in=["view_job", "view_stagerun"]))
    client.force_login(watcher)
    assert client.get(reverse("admin:workers_job_changelist")).status_code == 200
    assert client.post(reverse("admin:workers_job_start", args=["recaption"])).status_code == 403
    client.post(
        reverse("admin:workers_stagerun_changelist"), {"action": "retry", "_selected_action": [run.pk]}
    )
    run.refresh_from_db()
    assert run.state == "failed"
    assert not Job.objects.exists()
