"""What staff see and do in Django's admin."""

from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User

from captioning.models import Caption, ReviewDecision
from library.api_keys import create_key, key_of
from library.models import Asset, Frame
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import located_picture, picture
from workers import jobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wakes")]
ASSETS = "/admin/library/asset/"


def test_staff_see_neither_place_nor_secret(alice: User, carol: User) -> None:
    asset = stored(alice, located_picture(), tags=["sea"])
    key = create_key(alice, name="script", scopes=["read"]).key
    client = signed_in(carol)
    page = client.get(f"{ASSETS}{asset.pk}/change/").content.decode()
    assert "Canon EOS 5D" in page
    assert "sea" in page
    assert "68.2" not in page
    keys = client.get(f"/admin/library/apikey/{key.pk}/change/").content.decode()
    assert "script" in keys
    assert key.secret_sha256 not in keys


def test_staff_change_words_by_the_same_rules_as_owners(alice: User, carol: User) -> None:
    asset = stored(alice, visibility="public")
    client = signed_in(carol)
    form = {"title": " New ", "description": "", "visibility": "private"}
    assert client.post(f"{ASSETS}{asset.pk}/change/", form).status_code == 302
    changed = Asset.objects.get(pk=asset.pk)
    assert (changed.title, changed.visibility) == ("New", "private")
    assert changed.updated_at > asset.updated_at
    refused = client.post(f"{ASSETS}{asset.pk}/change/", {**form, "title": "bell \x07"})
    assert "control characters" in refused.content.decode()


def test_staff_show_nobody_a_photo_that_they_cannot_see(alice: User, carol: User) -> None:
    asset = stored(alice)
    form = {"title": "Seen", "description": "", "visibility": "public"}
    refused = signed_in(carol).post(f"{ASSETS}{asset.pk}/change/", form)
    assert "Only its owner may show a private photo to everyone." in refused.content.decode()
    assert Asset.objects.get().visibility == "private"


def test_what_staff_delete_takes_its_files_along(alice: User, carol: User, media: Path) -> None:
    one, two, three = (stored(alice, picture(seed=seed)) for seed in range(3))
    client = signed_in(carol)
    client.post(f"{ASSETS}{one.pk}/delete/", {"post": "yes"})
    client.post(ASSETS, {"action": "delete_selected", "_selected_action": [two.pk, three.pk], "post": "yes"})
    assert not Asset.objects.exists()
    assert files_in(media) == []


def test_staff_delete_photos_that_people_have_decided_of(alice: User, carol: User) -> None:
    """Decisions and what models made of a photo can't be deleted by themselves, and go with it."""
    asset = stored(alice)
    frame = Frame.objects.create(asset=asset, number=0)
    decided = Caption.objects.create(frame=frame, source="model", model_id="a", text="A dog.")
    ReviewDecision.objects.create(
        frame=frame, caption=decided, kind=ReviewDecision.Kind.ACCEPT, before="A dog.", after="A dog."
    )
    client = signed_in(carol)
    page = client.get(f"{ASSETS}{asset.pk}/delete/").content.decode()
    assert "Frames: 1" in page
    assert "have permission" not in page
    client.post(f"{ASSETS}{asset.pk}/delete/", {"post": "yes"})
    assert not Asset.objects.exists()
    assert not ReviewDecision.objects.exists()


@pytest.mark.parametrize("at_once", [False, True])
def test_an_account_takes_along_what_is_its_own(
    alice: User, bob: User, carol: User, media: Path, at_once: bool
) -> None:
    stored(alice, picture(seed=1))
    theirs = stored(bob, picture(seed=2))
    stored(alice, picture(seed=2))  # the same bytes
    create_key(alice, name="script", scopes=["read"])
    client = signed_in(carol)
    accounts = "/admin/auth/user/"
    if at_once:
        chosen = {"action": "delete_selected", "_selected_action": [alice.pk]}
        page = client.post(accounts, chosen).content.decode()
    else:
        page = client.get(f"{accounts}{alice.pk}/delete/").content.decode()
    assert "Assets: 2" in page
    assert "Api keys: 1" in page
    where, what = (accounts, chosen) if at_once else (f"{accounts}{alice.pk}/delete/", {})
    told = client.post(where, {**what, "post": "yes"}, follow=True).content.decode()
    assert "The account alice is closed; a worker deletes what is theirs" in told
    assert Asset.objects.count() == 3, "hours of deletions in one request would end in a time-out"
    assert not User.objects.get(pk=alice.pk).is_active
    assert jobs.run_next() is not None
    assert not User.objects.filter(pk=alice.pk).exists()
    assert list(Asset.objects.all()) == [theirs]
    assert files_in(media)
    assert all(theirs.sha256 in str(file) for file in files_in(media))


def test_what_is_recorded_is_not_deleted_by_hand(alice: User, carol: User) -> None:
    frame = Frame.objects.create(asset=stored(alice), number=0)
    caption = Caption.objects.create(frame=frame, source="model", model_id="a", text="A dog.")
    refused = signed_in(carol).post(f"/admin/captioning/caption/{caption.pk}/delete/", {"post": "yes"})
    assert refused.status_code == 403
    assert Caption.objects.exists()


def test_staff_can_revoke_a_key(alice: User, carol: User) -> None:
    key, token = create_key(alice, name="script", scopes=["read"])
    signed_in(carol).post("/admin/library/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert key_of(token) is None


def test_who_may_only_look_at_keys_can_not_revoke_them(alice: User, bob: User) -> None:
    key, token = create_key(alice, name="script", scopes=["read"])
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client, keys = signed_in(User.objects.get(pk=bob.pk)), "/admin/library/apikey/"
    client.post(keys, {"action": "revoke", "_selected_action": [key.pk]})
    assert "script" in client.get(keys).content.decode()
    assert key_of(token) == key


def test_every_action_of_the_admin_asks_for_a_permission() -> None:
    actions = {
        f"{page}.{name}": getattr(page, name)
        for page in admin.site._registry.values()
        for name in page.actions or ()
        if isinstance(name, str)
    }
    assert len(actions) > 10
    open_to_all = {name for name, one in actions.items() if not getattr(one, "allowed_permissions", None)}
    assert open_to_all == set()
