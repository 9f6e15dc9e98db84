"""The API's own page, where a site's owner who is not staff does what no other page does."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from recommender.models import Site, SiteKey
from tests.e2e.browser import sign_in
from tests.recommender.sites import site

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(alice: User, transactional_db: None) -> Site:
    return site(alice)


def test_who_is_signed_in_makes_a_key_of_their_site_there(page: Page, shop: Site) -> None:
    sign_in(page)
    page.goto("/api/v1/docs")
    made = page.locator(".opblock-post").filter(has_text="/sites/{site}/keys")
    made.locator(".opblock-summary-control").click()
    made.get_by_role("button", name="Try it out").click()
    made.get_by_placeholder("site").fill("shop")
    made.locator("textarea").fill('{"name": "pages", "kind": "publishable"}')
    made.get_by_role("button", name="Execute").click()
    answer = made.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("201")
    expect(answer).to_contain_text("slp_shop_")
    assert SiteKey.objects.get().site == shop
