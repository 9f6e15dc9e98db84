"""A site's keys let its server and its pages in, and nobody else."""

from dataclasses import asdict
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core import signing
from django.test import Client, RequestFactory
from ninja.errors import AuthenticationError

from core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from library import api_keys
from recommender import recommendation_ids
from recommender.models import SiteKey
from recommender.recommendation_ids import Recommendation
from recommender.site_access import SiteCaller, site_caller_of, site_key_caller_of, writer_of_site
from recommender.site_keys import create_site_key, revoke_site_key, site_key_of
from recommender.sites import change_site, checked_origin, create_site
from tests.recommender.sites import ORIGIN, publishable, secret, site

pytestmark = pytest.mark.django_db


def asked(headers: dict[str, str], path: str = "/", **more: Any) -> Any:
    request = RequestFactory().get(path, headers=headers, **more)
    request.user = AnonymousUser()
    return request


def test_the_token_is_not_in_the_database(alice: User) -> None:
    key, token = create_site_key(site(alice), kind="secret", name="server")
    row = str(SiteKey.objects.filter(pk=key.pk).values().get())
    assert token.rsplit("_", 1)[-1] not in row
    assert site_key_of(token) == key


@pytest.mark.parametrize("spoilt", ["", "sls_shop_", "{}x", "x{}", "\0", "ключ", "\ud800"])
def test_a_wrong_key_is_no_key(spoilt: str, alice: User) -> None:
    token = create_site_key(site(alice), kind="secret", name="server").token
    assert site_key_of(spoilt.format(token)) is None


def test_the_secret_key_writes_and_the_publishable_one_reads(alice: User) -> None:
    shop = site(alice)
    assert writer_of_site(asked(secret(shop)), "shop").may_write
    assert site_caller_of(asked(publishable(shop)), "shop").is_page
    with pytest.raises(NotAllowed):
        writer_of_site(asked(publishable(shop)), "shop")


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example", "http://shop.example", "https://shop.example:8443"]
)
def test_a_publishable_key_is_bound_to_its_origins(alice: User, origin: str | None) -> None:
    with pytest.raises(NotAllowed):
        site_key_caller_of(asked(publishable(site(alice), origin)))


def test_a_publishable_key_works_on_a_host_of_other_letters(alice: User) -> None:
    shop = site(alice, origins=["https://bücher.example"])
    assert site_key_caller_of(asked(publishable(shop, "https://xn--bcher-kva.example"))) is not None


def test_a_page_may_name_its_origin_by_referer_where_the_browser_sends_no_origin(alice: User) -> None:
    headers = {**publishable(site(alice), None), "Referer": f"{ORIGIN}/articles/1?x=2"}
    assert site_key_caller_of(asked(headers)) is not None


def test_a_publishable_key_may_stand_in_the_address_and_a_secret_one_never(alice: User) -> None:
    shop = site(alice)
    shown = create_site_key(shop, kind="publishable", name="pages").token
    hidden = create_site_key(shop, kind="secret", name="server").token
    assert site_key_caller_of(asked({"Origin": ORIGIN}, f"/?key={shown}")) is not None
    with pytest.raises(NotAllowed, match="revoke it"):
        site_key_caller_of(asked({"Origin": ORIGIN}, f"/?key={hidden}"))


@pytest.mark.parametrize("referer", ["http://[", "http://a:b/", "nowhere", ""])
def test_a_page_that_names_no_address_is_nowhere(alice: User, referer: str) -> None:
    shown = create_site_key(site(alice), kind="publishable", name="pages").token
    with pytest.raises(NotAllowed, match="nowhere"):
        site_key_caller_of(asked({"Referer": referer}, f"/?key={shown}"))


def test_a_key_of_one_site_does_not_open_another(alice: User, bob: User) -> None:
    site(bob, "rival")
    with pytest.raises(NotFound):
        site_caller_of(asked(secret(site(alice))), "rival")


def test_a_revoked_key_and_one_of_an_owner_who_left_work_no_more(alice: User) -> None:
    shop = site(alice)
    key, token = create_site_key(shop, kind="secret", name="server")
    headers = {"Authorization": f"Bearer {token}"}
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(AuthenticationError):
        site_key_caller_of(asked(headers))
    User.objects.filter(pk=alice.pk).update(is_active=True)
    revoke_site_key(shop, key.pk)
    with pytest.raises(AuthenticationError):
        site_key_caller_of(asked(headers))


def test_the_owner_may_act_for_the_site_and_a_stranger_does_not_know_of_it(alice: User, bob: User) -> None:
    shop = site(alice)
    hers, his = (api_keys.create_key(one, name="k", scopes=["read", "write"]).token for one in (alice, bob))
    assert site_caller_of(asked({"Authorization": f"Bearer {hers}"}), "shop") == SiteCaller(shop)
    with pytest.raises(NotFound):
        site_caller_of(asked({"Authorization": f"Bearer {his}"}), "shop")


def test_somebody_without_any_key_is_asked_for_one(alice: User) -> None:
    site(alice)
    with pytest.raises(AuthenticationError):
        site_caller_of(asked({}), "shop")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example:8443/", "https://xn--bcher-kva.example:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://例え。テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://my_shop.example", "https://my_shop.example"),
    ],
)
def test_origins_are_kept_as_browsers_write_them(written: str, kept: str) -> None:
    assert checked_origin(written) == kept


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "shop.example",
        "https://",
        "https://a/b",
        "http://shop.example",
        "https://a:b@c",
        "https://a:99999",
        "https://a:0",
        "https://[",
        "https://a℀b",
        "https://☕.example",
        "https://" + "ü" * 64 + ".example",
        "http://bücher.example",
        "https://" + ".".join(["ü" * 20] * 11),
        "https://" + ".".join(["ü" * 27] * 7 + ["ü"]) + ":65535",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_origin(origin)
    assert refused.value.field == "origins"


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a" * 41, "ä"])
def test_a_slug_against_the_rules_is_refused(alice: User, slug: str) -> None:
    with pytest.raises(InvalidInput):
        create_site(alice, slug)


def test_a_slug_is_given_once(alice: User, bob: User) -> None:
    site(alice)
    with pytest.raises(Conflict):
        site(bob)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", " "),
        ("shows_assets", "all"),
        ("diversity", 1.5),
        ("requests_per_minute", -1),
        ("webhook_url", "ftp://a"),
        ("webhook_url", "nowhere"),
        ("webhook_url", "http://[x"),
        ("webhook_url", "https://ann:secret@shop.example/hook"),
        ("origins", ["nowhere"]),
    ],
)
def test_a_setting_against_the_rules_names_its_field_and_changes_nothing(
    alice: User, name: str, value: Any
) -> None:
    shop = site(alice)
    with pytest.raises(InvalidInput) as refused:
        change_site(shop, **{"name": "changed", name: value})
    assert refused.value.field == name
    shop.refresh_from_db()
    assert shop.name == "shop"
    assert [str(one) for one in shop.origins.all()] == [ORIGIN]


def test_an_id_of_an_answer_tells_what_it_was_and_can_not_be_made_up() -> None:
    told = Recommendation(site=3, made_by="related", scenario="article-foot", about="item:17")
    assert recommendation_ids.read(recommendation_ids.written(told)) == told
    for made_up in ("", "x", recommendation_ids.written(told)[:-1], "x" * 10_000):
        with pytest.raises(InvalidInput):
            recommendation_ids.read(made_up)


@pytest.mark.parametrize("letter", ["a", "文", "😀", '"'])
def test_an_id_with_the_longest_names_is_read(letter: str) -> None:
    largest = 2**63 - 1
    told = Recommendation(
        site=largest,
        made_by="recommendations",
        scenario=letter * 64,
        about=f"asset:{largest}",
        arm=f"{largest}:{letter * 40}",
    )
    assert recommendation_ids.read(recommendation_ids.written(told)) == told


def test_an_id_from_before_letters_were_written_as_they_are_is_read() -> None:
    told = Recommendation(site=3, made_by="related", scenario="文章")
    before = signing.dumps(list(asdict(told).values()), salt="recommendation")
    assert recommendation_ids.read(before) == told


def test_a_site_that_is_deleted_in_the_admin_takes_its_keys_along(alice: User, admin_client: Client) -> None:
    """Keys and items can't be deleted by themselves there."""
    shop = site(alice)
    create_site_key(shop, kind="secret", name="server")
    page = f"/admin/recommender/site/{shop.pk}/delete/"
    assert "Site keys: 1" in admin_client.get(page).content.decode()
    admin_client.post(page, {"post": "yes"})
    assert not SiteKey.objects.exists()
