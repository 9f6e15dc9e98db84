"""What an experiment shows: counted by the database, and kept when it is stopped."""

import random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from recommender import experiments
from recommender.models import Experiment, Interaction, Item, Site
from tests.query_plans import plan_of
from tests.recommender.shop import furnished
from tests.recommender.sites import site
from tests.search.photos import stored

pytestmark = pytest.mark.django_db

VARIANTS: list[dict[str, Any]] = [
    {"name": "as now"},
    {"name": "wild", "changes": {"diversity": 1.0}},
    {"name": "never shown"},
]


@pytest.fixture
def shop(alice: User) -> Site:
    return furnished(alice)


def running(shop: Site) -> Experiment:
    made = Experiment.objects.create(
        site=shop, name="Variety", variants=experiments.checked_variants(VARIANTS)
    )
    experiments.start(made)
    return made


def happened(made: Experiment, others: Site, count: int) -> None:
    """So many actions of all kinds, most of them more than once, some in other experiments or on another site."""
    draw = random.Random(7)
    items = Item.objects.filter(site=made.site).values_list("pk", flat=True)[:3]
    photo = stored(made.site.owner).pk
    subjects = [*({"item_id": pk} for pk in items), {"asset_id": photo}]
    arms = [f"{made.pk}:as now", f"{made.pk}:wild", f"{made.pk}1:wild", f"{made.pk}:gone", ""]
    Interaction.objects.bulk_create(
        Interaction(
            site=draw.choice([made.site, made.site, made.site, others]),
            visitor=draw.choice(["v1", "v2", "V2"]),
            kind=draw.choice(Interaction.Kind.values),
            arm=draw.choice(arms),
            recommendation=draw.choice(["", "a1", "b2"]),
            at=timezone.now(),
            key=str(at),
            **draw.choice(subjects),
        )
        for at in range(count)
    )


def counted_plainly(made: Experiment, name: str) -> tuple[int, int]:
    """Shown and clicked, of one variant, by all of its rows."""
    shown: set[Any] = set()
    clicked: set[Any] = set()
    for one in Interaction.objects.filter(site=made.site, arm=f"{made.pk}:{name}"):
        what = (one.recommendation, one.item_id, one.asset_id, one.visitor)
        if one.kind in ("impression", "click"):
            shown.add(what)
        if one.kind == "click":
            clicked.add(what)
    return len(shown), len(clicked)


@pytest.mark.parametrize("count", [0, 60, 900])
def test_the_database_counts_as_one_would_by_hand(shop: Site, bob: User, count: int) -> None:
    made = running(shop)
    happened(made, site(bob, "rival"), count)
    told = {one.variant.name: (one.impressions, one.clicks) for one in experiments.results_of(made)}
    assert told == {one["name"]: counted_plainly(made, one["name"]) for one in VARIANTS}
    assert (told["wild"][0] > told["wild"][1] > 0) == (count > 0)
    assert told["never shown"] == (0, 0)


def test_no_row_is_read_for_it(shop: Site, bob: User) -> None:
    made = running(shop)
    happened(made, site(bob, "rival"), 900)
    with CaptureQueriesContext(connection) as queries:
        experiments.results_of(made)
    assert len(queries) == len(VARIANTS)
    for one in queries:
        with connection.cursor() as cursor:
            cursor.execute(one["sql"])
            assert len(cursor.fetchall()) == 1
        if connection.vendor == "sqlite":
            assert "INDEX interactions_of_arm (site_id=? AND arm=? AND kind=?)" in plan_of(one["sql"])


def test_what_a_stopped_one_showed_outlives_its_interactions(
    shop: Site, bob: User, admin_client: Client
) -> None:
    made = running(shop)
    happened(made, site(bob, "rival"), 900)
    before = experiments.results_of(made)
    experiments.stop(made)
    Interaction.objects.all().delete()
    made = Experiment.objects.get()
    assert experiments.results_of(made) == before
    page = admin_client.get(reverse("admin:recommender_experiment_change", args=[made.pk])).content.decode()
    assert f"<td>{before[1].impressions}</td><td>{before[1].clicks}</td>" in page


def test_one_that_stops_by_itself_keeps_what_it_stopped_for(shop: Site) -> None:
    made = running(shop)
    Experiment.objects.update(variants=made.variants[:2], least_impressions=100)
    pan = Item.objects.get(external_id="pan")
    Interaction.objects.bulk_create(
        Interaction(
            site=shop,
            visitor=f"v{at}",
            kind="click" if name == "wild" and at % 2 else "impression",
            item=pan,
            arm=f"{made.pk}:{name}",
            at=timezone.now(),
            key=f"{name}{at}",
        )
        for name in ("as now", "wild")
        for at in range(400)
    )
    assert experiments.stop_certain_ones() == 1
    assert Experiment.objects.get().counts == {"as now": [400, 0], "wild": [400, 200]}


def test_one_stopped_before_results_were_kept_is_counted(shop: Site, bob: User) -> None:
    made = running(shop)
    happened(made, site(bob, "rival"), 60)
    before = experiments.results_of(made)
    experiments.stop(made)
    Experiment.objects.update(counts=None)
    assert experiments.results_of(Experiment.objects.get()) == before
    assert before[0].clicks > 0
