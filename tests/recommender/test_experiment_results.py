"""What an experiment shows: counted by the database."""

import random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
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
