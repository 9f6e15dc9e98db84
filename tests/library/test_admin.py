"""What staff see and do in Django's admin."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from library.api_keys import create_key, key_of
from library.models import Asset
from tests.library.conftest import files_in, signed_in, stored
from tests.library.pictures import located_picture, picture

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
    asset = stored(alice)
    client = signed_in(carol)
    form = {"title": " New ", "description": "", "visibility": "public"}
    assert client.post(f"{ASSETS}{asset.pk}/change/", form).status_code == 302
    changed = Asset.objects.get(pk=asset.pk)
    assert (changed.title, changed.visibility) == ("New", "public")
    assert changed.updated_at > asset.updated_at
    refused = client.post(f"{ASSETS}{asset.pk}/change/", {**form, "title": "bell \x07"})
    assert "control characters" in refused.content.decode()


def test_what_staff_delete_takes_its_files_along(alice: User, carol: User, media: Path) -> None:
    one, two, three = (stored(alice, picture(seed=seed)) for seed in range(3))
    client = signed_in(carol)
    client.post(f"{ASSETS}{one.pk}/delete/", {"post": "yes"})
    client.post(ASSETS, {"action": "delete_selected", "_selected_action": [two.pk, three.pk], "post": "yes"})
    assert not Asset.objects.exists()
    assert files_in(media) == []


def test_staff_can_revoke_a_key(alice: User, carol: User) -> None:
    key, token = create_key(alice, name="script", scopes=["read"])
    signed_in(carol).post("/admin/library/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert key_of(token) is None
