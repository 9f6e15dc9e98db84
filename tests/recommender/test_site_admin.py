"""Sites in Django's admin obey the rules that they obey over HTTP."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from recommender.models import Site
from tests.recommender.sites import ORIGIN, site

pytestmark = pytest.mark.django_db

SITES = "/admin/recommender/site/"


def filled(**changes: Any) -> dict[str, Any]:
    return {
        **{"name": "Shop", "shows_assets": "own", "diversity": "0.5", "requests_per_minute": "60"},
        **{"origins": "https://Shop.Example/\r\n\r\nhttps://www.shop.example:443", "webhook_url": ""},
        **changes,
    }


def origins_of(shop: Site) -> list[str]:
    return [str(origin) for origin in shop.origins.all()]


def errors_in(answer: Any) -> dict[str, str]:
    """Said beside which field what."""
    rows = re.split(r'<div class="form-row[^"]* field-', answer.content.decode())[1:]
    found = {row.split('"')[0].split()[0]: re.search(r'errorlist".*?<li>(.*?)</li>', row) for row in rows}
    return {name: unescape(error[1]) for name, error in found.items() if error}


def test_a_site_is_made_with_origins_as_browsers_write_them_and_a_secret_for_its_webhook(
    alice: User, admin_client: Client
) -> None:
    form = filled(slug="shop", owner=alice.pk, webhook_url="https://shop.example/hook")
    assert admin_client.post(f"{SITES}add/", form).status_code == 302
    made = Site.objects.get(slug="shop")
    assert origins_of(made) == ["https://shop.example", "https://www.shop.example"]
    assert (made.name, made.owner, made.shows_assets, made.diversity) == ("Shop", alice, "own", 0.5)
    assert len(made.webhook_secret) == 64


def test_a_webhook_that_is_named_later_gets_its_secret_and_origins_are_replaced(
    alice: User, admin_client: Client
) -> None:
    shop = site(alice)
    page = f"{SITES}{shop.pk}/change/"
    assert ORIGIN in admin_client.get(page).content.decode()
    form = filled(origins="HTTPS://Other.Example", webhook_url="https://shop.example/hook")
    assert admin_client.post(page, form).status_code == 302
    shop.refresh_from_db()
    assert len(shop.webhook_secret) == 64
    assert origins_of(shop) == ["https://other.example"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "my_shop"),
        ("slug", "Shop"),
        ("slug", "taken"),
        ("origins", "https://shop.example/page"),
        ("origins", "http://shop.example"),
        ("webhook_url", "https://ann:secret@shop.example/hook"),
        ("webhook_url", "https://shop.example:0/hook"),
        ("requests_per_minute", "2000000"),
        ("diversity", "2"),
        ("name", " "),
    ],
)
def test_what_is_against_the_rules_is_told_beside_its_field(
    alice: User, admin_client: Client, field: str, value: str
) -> None:
    site(alice, "taken")
    form = filled(slug="shop", owner=alice.pk) | {field: value}
    answer = admin_client.post(f"{SITES}add/", form)
    assert set(errors_in(answer)) == {field}
    assert Site.objects.count() == 1


def test_who_has_as_many_sites_as_one_may_have_is_told(
    alice: User, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.sites._SITES_MAX", 1)
    site(alice)
    answer = admin_client.post(f"{SITES}add/", filled(slug="second", owner=alice.pk))
    assert errors_in(answer)["slug"].startswith("At most 1 sites")


def test_who_may_only_look_sees_the_origins(alice: User, bob: User, client: Client) -> None:
    shop = site(alice)
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_site"))
    client.force_login(User.objects.get(pk=bob.pk))
    page = client.get(f"{SITES}{shop.pk}/change/").content.decode()
    assert ORIGIN in page
    assert "<textarea" not in page


def test_the_section_says_what_it_holds(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert "Sites and recommendations" in page
    assert "Related photos" not in page
