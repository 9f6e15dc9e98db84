"""Many ids into a query and out of it."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Count, F, Max, Q, QuerySet, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import RowNumber
from django.test.utils import CaptureQueriesContext

from core.ids import KeysOf, Prepared, any_of, rows_of

pytestmark = pytest.mark.django_db


def people(*names: str) -> list[User]:
    return [User.objects.create_user(name) for name in names]


def test_any_number_of_ids_is_one_parameter() -> None:
    one, _, other = people("ann", "ben", "cem")
    found = User.objects.filter(pk__in=any_of([one.pk, other.pk]))
    assert len(found.query.sql_with_params()[1]) == 1
    assert sorted(rows_of(found.values_list("pk"))) == [(one.pk,), (other.pk,)]
    assert rows_of(User.objects.filter(pk__in=any_of([])).values_list("pk")) == []
    assert rows_of(User.objects.none().values_list("pk")) == []


def test_those_of_some_ids_that_are_keys_of_rows() -> None:
    one, two, other = people("ann", "ben", "cem")
    two.is_active = False
    two.save()
    named = User.objects.filter(username__in=User.objects.exclude(username="cem").values("username"))
    assert KeysOf(named).among([other.pk, one.pk, 999_999]) == [one.pk]
    assert sorted(KeysOf(named.exclude(is_active=False)).among([one.pk, two.pk])) == [one.pk]
    assert KeysOf(named).among([]) == []
    assert KeysOf(User.objects.none()).among([one.pk]) == []


def test_lists_of_keys_within_a_condition_are_asked_for_each_key() -> None:
    one, two, other = people("ann", "ben", "cem")
    group = Group.objects.create(name="editors")
    group.user_set.add(one, two)
    entries = LogEntry.objects.bulk_create(LogEntry(user=two, action_flag=1) for _ in range(9))
    members: Any = Group.user_set.through.objects.filter(group=group).values("user")
    single = members.annotate(times=Count("pk")).filter(times=1).values("user")
    last = members.values("group").annotate(last=Max("user")).values("last")
    first = (
        LogEntry.objects.annotate(at=Window(RowNumber(), order_by=F("pk").asc())).filter(at=1).values("user")
    )
    LogEntry.objects.create(user=one, action_flag=1)
    for q, right in (
        (Q(pk__in=members), {one.pk, two.pk}),
        (~Q(pk__in=members), {other.pk}),
        (
            Q(pk__in=members, username="ann") | Q(pk__in=User.objects.filter(username="cem")),
            {one.pk, other.pk},
        ),
        (Q(groups__in=Group.objects.filter(name="editors")), {one.pk, two.pk}),
        (Q(logentry__in=LogEntry.objects.filter(pk=entries[-1].pk)), {two.pk}),
        (Q(pk__in=members.order_by("user")[:1]), {one.pk}),
        (Q(pk__in=members.values(who=F("user"))), {one.pk, two.pk}),
        (Q(pk__in=single), {one.pk, two.pk}),
        (Q(pk__in=last), {two.pk}),
        (Q(pk__in=members.none()) | Q(pk=other.pk), {other.pk}),
        (Q(pk__in=first), {two.pk}),
        (~Q(pk__in=User.objects.values("logentry__user")), set()),
        (Q(pk__in=members.filter(user=one).union(members.filter(user=two))), {one.pk, two.pk}),
    ):
        keys = KeysOf(User.objects.filter(q))
        assert set(keys.among([one.pk, two.pk, other.pk])) == right
        assert set(keys.among([other.pk])) == right & {other.pk}
    with CaptureQueriesContext(connection) as queries:
        KeysOf(User.objects.filter(pk__in=members)).among([one.pk])
    assert queries[0]["sql"].count("asked.id") == 2


class TestPrepared:
    def test_it_is_put_together_once_and_runs_with_other_ids(self) -> None:
        built = []

        def build(ids: RawSQL) -> QuerySet[User, tuple[int, str]]:
            built.append(ids)
            return (
                User.objects.filter(pk__in=ids, is_active=True).order_by("pk").values_list("pk", "username")
            )

        named = Prepared(build)
        one, two, three = people("ann", "ben", "cem")
        assert named.rows([two.pk, one.pk]) == [(one.pk, "ann"), (two.pk, "ben")]
        assert named.rows([three.pk]) == [(three.pk, "cem")]
        assert named.rows([]) == []
        assert len(built) == 1

    def test_what_changes_meanwhile_is_seen(self) -> None:
        (one,) = people("ann")
        named = Prepared(lambda ids: User.objects.filter(pk__in=ids).values_list("username"))
        assert named.rows([one.pk]) == [("ann",)]
        User.objects.filter(pk=one.pk).update(username="zoe")
        assert named.rows([one.pk]) == [("zoe",)]

    def test_other_parameters_stay_what_they_are(self) -> None:
        one, two = people("ann", "100%")
        told = Prepared(
            lambda ids: (
                User.objects.filter(username__in=["ann", "100%"], pk__in=ids)
                .annotate(again=F("username"))
                .order_by("pk")
                .values_list("again")
            )
        )
        assert told.rows([one.pk, two.pk]) == [("ann",), ("100%",)]

    def test_a_query_without_ids(self) -> None:
        people("ann")
        assert Prepared(lambda _: User.objects.values_list("username")).rows() == [("ann",)]
